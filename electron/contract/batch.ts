/** What one batch is, in a row of a table and in full. Times are microseconds, measured by the provider named beside them. */
import { z } from 'zod';
import { float32Array, float64Array, int32Array, uint8Array } from './arrays';
import { AppErrorSchema } from './errors';
import { DecisionSchema, kernels, paths } from './layer';

export const sides = ['b12x', 'cutlass', 'reference'] as const;
/** The three answers a batch can have: either path on provider A, and the fp64 reference of the contract. */
export type Side = (typeof sides)[number];

export const stages = ['input', 'fc1', 'activation', 'requantized', 'fc2', 'output'] as const;
/** input: FC1's quantized input, dequantized; requantized: FC2's. */
export type Stage = (typeof stages)[number];

export const BatchRowSchema = z.object({
  index: z.number().int(),
  /** milliseconds since the run or recording began */
  time: z.number(),
  tokens: z.number().int(),
  routedPairs: z.number().int(),
  uniqueExperts: z.number().int(),
  maxRowsPerExpert: z.number().int(),
  phase: z.enum(['prefill', 'decode']),
  path: z.enum(paths),
  kernel: z.enum(kernels),
  threshold: z.number().int(),
  /** 0 where `error` is set: nothing was timed (see `measuredMicroseconds`) */
  microseconds: z.number(),
  /** the other path on the same batch, where it was run: its time, and NRMSE (b12x against CUTLASS) and cosine of the pair */
  otherMicroseconds: z.number().nullable(),
  nrmse: z.number().nullable(),
  cosine: z.number().nullable(),
  error: AppErrorSchema.nullable(),
});
export type BatchRow = z.infer<typeof BatchRowSchema>;

/** Time of a batch, microseconds; null of one that failed, whose row holds 0 for want of a measurement. */
export function measuredMicroseconds({ error, microseconds }: Pick<BatchRow, 'error' | 'microseconds'>): number | null {
  return error === null ? microseconds : null;
}

export const StageTimeSchema = z.object({ stage: z.string(), microseconds: z.number() });

export const BatchDetailSchema = z.object({
  row: BatchRowSchema,
  decision: DecisionSchema,
  /** times of each path that was run on this batch */
  times: z.array(
    z.object({
      path: z.enum(paths),
      kernel: z.enum(kernels),
      stages: z.array(StageTimeSchema),
      workspaceBytes: z.number(),
    }),
  ),
  topK: z.number().int(),
  experts: z.number().int(),
  topkIds: int32Array, // [T, k]
  topkWeights: float32Array, // [T, k]
  rowsPerExpert: int32Array, // [E]
  /** why ids and weights are empty: a recording whose input is damaged or missing; absent when they are known */
  routingReason: z.string().optional(),
  /** rows each expert's tiles hold beyond its own, for the tile M of the decision */
  paddingRows: int32Array, // [E]
  provenance: z.string(),
  /** answers that can be opened in Diff: from recorded tensors, or by running again */
  available: z.array(z.enum(sides)),
});
export type BatchDetail = z.infer<typeof BatchDetailSchema>;

/** Per pixel column of the timeline: counts and extremes of the batches that fall in it. */
export const TimelineSchema = z.object({
  first: z.number().int(),
  last: z.number().int(),
  columns: z.number().int(),
  /** batches in the column, per kernel: Float64 [columns * kernels.length] in the order of `kernels` */
  counts: float64Array,
  tokensMin: float32Array,
  tokensMax: float32Array,
  microsecondsMax: float32Array,
  nrmseMax: float32Array, // NaN where nothing was compared
  errors: float32Array,
});
export type Timeline = z.infer<typeof TimelineSchema>;

export const RunStatsSchema = z.object({
  batches: z.number().int(),
  /** batches that did not fail, whose times these are */
  byKernel: z.array(
    z.object({ kernel: z.enum(kernels), batches: z.number().int(), p50: z.number(), p95: z.number(), p99: z.number() }),
  ),
  /** batches by power-of-two token bins: [1], [2], [3..4], [5..8], ... */
  tokensHistogram: z.array(z.object({ upTo: z.number().int(), b12x: z.number().int(), cutlass: z.number().int() })),
  batchesPerSecond: z.number(),
  dropped: z.number().int(),
});
export type RunStats = z.infer<typeof RunStatsSchema>;

/** Moving the threshold over the batches already seen. Times are sums of MEASURED microseconds; `unmeasured` batches have no time for the new path. */
export const WhatIfSchema = z.object({
  threshold: z.number().int(),
  changed: z.number().int(),
  toCutlass: z.number().int(),
  toB12x: z.number().int(),
  measured: z.number().int(),
  unmeasured: z.number().int(),
  currentMicroseconds: z.number(),
  newMicroseconds: z.number(),
});
export type WhatIf = z.infer<typeof WhatIfSchema>;

/**
 * NRMSE (= rel-L2) is ||a - b|| / ||b|| everywhere. Of b12x and CUTLASS, CUTLASS is b, whichever of them was decided: in
 * rows of batches, in `batch.rerun` and in Diff's default pair. The reference is always b.
 */
export const ComparisonSchema = z.object({
  count: z.number(),
  maxAbs: z.number(),
  nrmse: z.number(),
  cosine: z.number(),
  /** Pearson correlation: the cosine of the deviations from each side's mean */
  pcc: z.number().optional(),
  withinTolerance: z.number(),
  bestScale: z.number(),
  nanA: z.number(),
  nanB: z.number(),
  /** bf16 ULP distance bins 0, 1, 2, 3-4, 5-8, ... , >1024 */
  ulpHistogram: float64Array,
  /** by expert, where rows are routed pairs; only experts that have rows */
  experts: z
    .array(
      z.object({
        expert: z.number().int(),
        rows: z.number().int(),
        nrmse: z.number(),
        /** least-squares factor s of a ~ s * b over the expert's rows */
        bestScale: z.number(),
        /** its part of the stage's squared error */
        share: z.number(),
      }),
    )
    .optional(),
  /** of quantized stages: FP4 codes and E4M3 scale bytes that differ, whatever the global scales are */
  codes: z
    .object({ codes: z.number(), differingCodes: z.number(), scales: z.number(), differingScales: z.number() })
    .optional(),
});
export type StageComparison = z.infer<typeof ComparisonSchema>;

export const WorstElementSchema = z.object({
  row: z.number().int(),
  column: z.number().int(),
  token: z.number().int(),
  slot: z.number().int(),
  expert: z.number().int(),
  a: z.number(),
  b: z.number(),
});

export const StageDiffSchema = z.object({
  stage: z.enum(stages),
  rows: z.number().int(),
  columns: z.number().int(),
  comparison: ComparisonSchema.nullable(),
  /** why there is no comparison: taps not recorded, provider has no such tap */
  reason: z.string(),
  worst: z.array(WorstElementSchema),
});

/** A published step of a contract with the NRMSE that it alone produces (counterfactual: only this step left in). */
export const CauseSchema = z.object({
  id: z.string(),
  name: z.string(),
  nrmse: z.number(),
  explanation: z.string(),
  reference: z.string(),
});
export type Cause = z.infer<typeof CauseSchema>;

export const DiffSchema = z.object({
  batch: z.number().int(),
  a: z.enum(sides),
  b: z.enum(sides),
  rtol: z.number(),
  atol: z.number(),
  stages: z.array(StageDiffSchema),
  /** the first stage whose share within tolerance is below 1 */
  firstDiverging: z.enum(stages).nullable(),
  /** why `diff.explain` and `diff.noise` have no answer for this pair, empty where they have one */
  cannot: z.object({ explain: z.string(), repeat: z.string() }),
  /**
   * Of a recorded b12x / CUTLASS pair: what was measured when it was recorded. `floor`: NRMSE that rounding alone gives (the
   * same pair under `clean`), null where not measured.
   */
  recorded: z.object({ causes: z.array(CauseSchema), floor: z.number().nullable() }).nullable(),
  provenance: z.array(z.string()),
});
export type Diff = z.infer<typeof DiffSchema>;

export const TileSchema = z.object({
  outRows: z.number().int(),
  outCols: z.number().int(),
  min: float32Array,
  max: float32Array,
  mean: float32Array,
  marks: uint8Array,
});
export type TileReply = z.infer<typeof TileSchema>;
