/** Hazards of a layer: what was found in its scales, with the numbers that say so, and what was looked at without finding anything. */
import { z } from 'zod';

export const severities = ['error', 'warning', 'info'] as const;
/** error: outputs are wrong or a published defect is matched; warning: accuracy or a reader is at risk; info: a fact to know. */
export type Severity = (typeof severities)[number];

export const FindingSchema = z.object({
  /** stable: "H1-baked-block-scales" */
  id: z.string(),
  title: z.string(),
  severity: z.enum(severities),
  layer: z.number().int(),
  /** id of the tensor to look at ("b12x/w13_weight_scale"); null where none could be read */
  tensor: z.string().nullable(),
  projection: z.enum(['gate', 'up', 'down']).nullable(),
  /** experts concerned, worst first; empty: the layer as a whole */
  experts: z.array(z.number().int()),
  /** the signature in numbers; shares are 0..1 */
  measured: z.record(z.string(), z.union([z.number(), z.string()])),
  explanation: z.string(),
  reference: z.string(),
  remedy: z.string(),
});
export type Finding = z.infer<typeof FindingSchema>;

/** One hazard on one layer: whether it could be looked for, and what was looked at. */
export const HazardCheckSchema = z.object({
  id: z.string(),
  title: z.string(),
  layer: z.number().int(),
  outcome: z.enum(['found', 'clear', 'not-checked']),
  what: z.string(),
});
export type HazardCheck = z.infer<typeof HazardCheckSchema>;

/** Block scales of one projection, all experts together, as stored. Live: some FP4 code of the block is not zero. */
export const HazardTensorSchema = z.object({
  layer: z.number().int(),
  tensor: z.string(),
  projection: z.enum(['gate', 'up', 'down']),
  /** blocks of 16 weights */
  blocks: z.number(),
  liveBlocks: z.number(),
  zeroBlocks: z.number(),
  subnormal: z.number(),
  saturated: z.number(),
  /** live blocks with a scale of 0 */
  lost: z.number(),
  /** live blocks whose largest code is below 6 */
  belowSix: z.number(),
  /** rho = 448 / SF of live blocks (global amax over block amax): [2^i, 2^(i+1)) in bin i, 0..17; below 1 cannot be stored */
  rho: z.array(z.number()),
  s2Min: z.number(),
  s2Max: z.number(),
});
export type HazardTensor = z.infer<typeof HazardTensorSchema>;

export const HazardReportSchema = z.object({
  findings: z.array(FindingSchema),
  checks: z.array(HazardCheckSchema),
  tensors: z.array(HazardTensorSchema),
});
export type HazardReport = z.infer<typeof HazardReportSchema>;
