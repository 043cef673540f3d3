/**
 * What a session's events are: one topic a kind, each a JSON record checked by its zod schema on the way in and out; the
 * same schemas go into session.mcap as JSON Schema, so that other tools can read it.
 */
import { z } from 'zod';
import { BatchDetailSchema, BatchRowSchema, CauseSchema, sides } from '../../contract/batch';
import {
  CheckpointSummarySchema,
  contracts,
  DecisionSchema,
  dtypes,
  LayerSummarySchema,
  scaleLayouts,
  ThresholdSchema,
} from '../../contract/layer';
import { DeviceSchema, WorkloadSchema } from '../../contract/session';
import { TensorSetSchema } from '../../contract/tensor';

/** A tensor inside a blob: safetensors keeps dtype and shape, the layout tag is kept here. */
const BlobTensorSchema = z.object({
  name: z.string(),
  dtype: z.enum(dtypes),
  shape: z.array(z.number().int()),
  layout: z.enum(scaleLayouts),
  /** rows and columns of a plane without padding; only swizzled scales store padding */
  logical: z.tuple([z.number().int(), z.number().int()]).optional(),
});
export const BlobSchema = z.object({
  /** SHA-256 of the file, hex; the file is blobs/<sha256>.safetensors */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.number().int(),
  tensors: z.array(BlobTensorSchema),
});
export type Blob = z.infer<typeof BlobSchema>;

export const EnvironmentSchema = z.object({
  device: DeviceSchema,
  checkpoint: CheckpointSummarySchema,
  layer: LayerSummarySchema,
  contract: z.enum(contracts),
  rules: z.string(),
  threshold: ThresholdSchema,
  workload: WorkloadSchema,
  provenance: z.string(),
  /** SHA-256 over the names and plane hashes of all prepared parameters: what must be equal for a re-run */
  layerHash: z.string(),
  swiglu: z.object({ alpha: z.number(), limit: z.number() }),
});
export type Environment = z.infer<typeof EnvironmentSchema>;

export const IntentSchema = z.object({
  batch: z.number().int(),
  tokens: z.number().int(),
  time: z.number(),
  /** x BF16 [T, H], topk_ids I32 [T, k], topk_weights F32 [T, k] */
  input: BlobSchema,
  decision: DecisionSchema,
});
export type Intent = z.infer<typeof IntentSchema>;

export const AnswerRecordSchema = z.object({
  side: z.enum(sides),
  /** the path whose scales the reference took; the side itself for the others */
  as: z.enum(['b12x', 'cutlass']),
  provenance: z.string(),
  /** y, and the taps where they were recorded */
  blob: BlobSchema,
});
export type AnswerRecord = z.infer<typeof AnswerRecordSchema>;

export const ResultSchema = z.object({
  batch: z.number().int(),
  row: BatchRowSchema,
  times: BatchDetailSchema.shape.times,
  answers: z.array(AnswerRecordSchema),
});
export type Result = z.infer<typeof ResultSchema>;

export const ExplanationSchema = z.object({
  batch: z.number().int(),
  causes: z.array(CauseSchema),
  floor: z.number().nullable(),
});

export const LayerTensorsSchema = z.object({
  blob: BlobSchema,
  /** what each tensor of the blob is, by its name there ("b12x/w13_weight_scale") */
  tensors: z.array(
    z.object({
      set: TensorSetSchema,
      name: z.string(),
      role: z.enum(['weight', 'block-scale', 'multiplier', 'activation']),
      note: z.string(),
    }),
  ),
});
export type LayerTensors = z.infer<typeof LayerTensorsSchema>;

/** Topics in the order in which a recording first uses them. */
export const topics = {
  environment: EnvironmentSchema,
  'layer-tensors': LayerTensorsSchema,
  threshold: z.object({ from: z.number().int(), threshold: ThresholdSchema }),
  workload: z.object({ from: z.number().int(), workload: WorkloadSchema }),
  /** before each launch: if the process dies in it, the input is still there */
  intent: IntentSchema,
  /** after it */
  result: ResultSchema,
  explanation: ExplanationSchema,
} as const;
export type Topic = keyof typeof topics;
export type RecordOf<T extends Topic> = z.output<(typeof topics)[T]>;
