/** Why two outputs of one batch differ: shares of the squared error by cause, and whether a side follows its documented pipeline. */
import { z } from 'zod';
import { sides, stages } from './batch';

/** The causes of a difference that the model can switch on and off; names and order of the addon's causes(). */
export const causeIds = [
  'sf-rerounding',
  'sf-underflow',
  'unit-activation-scale',
  'requantization',
  'reciprocal-approximation',
  'bf16-between-stages',
  'accumulation-order',
  'router-weight-rounding',
  'gate-up-order',
  'wrong-layout',
  'divider-multiplier',
  'double-multiplication',
  'padding',
  'nibble-order',
] as const;
export type CauseId = (typeof causeIds)[number];

export const ExplainedCauseSchema = z.object({
  id: z.enum(causeIds),
  name: z.string(),
  explanation: z.string(),
  reference: z.string(),
  /** share of the squared error: (E - E with this cause undone alone) / E; below 0 where it was cancelling another one */
  share: z.number(),
  /** 95 %, tokens resampled */
  interval: z.tuple([z.number(), z.number()]),
  /** NRMSE against B when this cause alone is left in */
  nrmseAlone: z.number(),
  /** true: the documented pipelines of the two sides do not have it, it was found in what was observed */
  fault: z.boolean(),
});
export type ExplainedCause = z.infer<typeof ExplainedCauseSchema>;

/** One cause at one place. `site`: the GEMM it belongs to, counted from 0 (FC1, FC2); `variant`: which form of it. */
const deviation = { cause: z.enum(causeIds), site: z.union([z.literal(0), z.literal(1)]), variant: z.number().int() };
export const DeviationSchema = z.object(deviation);
export type Deviation = z.infer<typeof DeviationSchema>;

export const DiagnosisSchema = z.object({
  /** what was named, most telling first; a cause may have several deviations (both GEMMs) */
  deviations: z.array(
    z.object({
      ...deviation,
      /** deviations of other causes that explain the stage as well: what was observed does not tell them apart */
      alternatives: z.array(DeviationSchema),
      stage: z.enum(stages),
      /** share of the misfit (nats) of its segment that it removes */
      explained: z.number(),
    }),
  ),
  /** one row a compared segment, in order of the pipeline */
  segments: z.array(
    z.object({
      stage: z.enum(stages),
      compared: z.number(),
      /** share of blocks or elements that the documented pipeline does not explain, and what is left with what was named */
      mismatchBefore: z.number(),
      mismatchAfter: z.number(),
      /** the same share that the order of additions makes by itself */
      floor: z.number(),
    }),
  ),
});
export type Diagnosis = z.infer<typeof DiagnosisSchema>;

const named = { ...deviation, /** of the cause, in words */ name: z.string() };
export const NamedDiagnosisSchema = DiagnosisSchema.extend({
  deviations: z.array(
    z.object({
      ...named,
      alternatives: z.array(z.object(named)),
      stage: z.enum(stages),
      explained: z.number(),
    }),
  ),
});
export type NamedDiagnosis = z.infer<typeof NamedDiagnosisSchema>;

export const DiffExplanationSchema = z.object({
  batch: z.number().int(),
  a: z.enum(sides),
  b: z.enum(sides),
  tokens: z.number().int(),
  /** largest share first; empty where the outputs are equal */
  causes: z.array(ExplainedCauseSchema),
  /** 1 - sum of shares - rest: what the causes do together beyond (or less than) each by itself */
  interaction: z.number(),
  /** share that is left when every cause is undone: not explained */
  rest: z.number(),
  /** E = ||y_a - y_b||^2, and sqrt(E) / ||y_b|| */
  total: z.object({ energy: z.number(), nrmse: z.number() }),
  /** each side against its documented pipeline; null for the reference, and where the outputs are equal */
  diagnosis: z.object({ a: NamedDiagnosisSchema.nullable(), b: NamedDiagnosisSchema.nullable() }),
  /** where the weights came from, in words */
  layer: z.string(),
});
export type DiffExplanation = z.infer<typeof DiffExplanationSchema>;
