/** What a layer, a path and a dispatch decision are. Shapes: H hidden, I intermediate, E experts, k top-k, T tokens. */
import { z } from 'zod';

export const dtypes = ['U8', 'F8_E4M3', 'BF16', 'F16', 'F32', 'F64', 'I32', 'I64'] as const;
export type DType = (typeof dtypes)[number];

/** How bytes lie in memory. `fp4`: two E2M1 codes a byte, even element in the low nibble. */
export const scaleLayouts = ['linear', 'sf128x4', 'mma6d', 'fp4'] as const;
export type ScaleLayout = (typeof scaleLayouts)[number];

export const paths = ['b12x', 'cutlass', 'reference'] as const;
export type Path = (typeof paths)[number];

export const kernels = ['direct-micro', 'micro', 'static', 'dynamic', 'cutlass', 'reference'] as const;
export type Kernel = (typeof kernels)[number];

export const contracts = ['unit-alpha', 'activation-alpha', 'clean'] as const;
export type Contract = (typeof contracts)[number];
/** Answers of the reference provider from the checkpoint's own scales. */
export const referenceContracts = ['ideal', 'ideal-per-expert', 'weights-only'] as const;
export type ReferenceContract = (typeof referenceContracts)[number];

export const activations = ['silu', 'gelu_tanh', 'swigluoai', 'relu2'] as const;
export type Activation = (typeof activations)[number];

/** Largest threshold, in tokens: what the dispatch rules take (native/addon). */
export const largestThreshold = 2 ** 30;
/** The environment variable of vLLM #43687 that sets the threshold. */
export const thresholdVariable = 'VLLM_FLASHINFER_B12X_CUTLASS_PREFILL_THRESHOLD';

export const OriginSchema = z.object({
  kind: z.enum(['constant', 'environment', 'argument', 'session', 'window', 'capability', 'checkpoint', 'default']),
  /** the variable, option, kernel release or file that gave the value */
  where: z.string(),
});
export type Origin = z.infer<typeof OriginSchema>;

export const DecisionStepSchema = z.object({
  name: z.string(),
  value: z.union([z.number(), z.string(), z.boolean()]),
  comparison: z.enum(['>=', '>', '<=', '<', '==', '!=', 'is']),
  limit: z.union([z.number(), z.string(), z.boolean()]),
  /** tokens, routed pairs, rows per expert, columns, ... */
  unit: z.string(),
  outcome: z.boolean(),
  /** what the outcome leads to: "CUTLASS", "static", "next rule", "tile M 64" */
  leads: z.string(),
  origin: OriginSchema,
});
export type DecisionStep = z.infer<typeof DecisionStepSchema>;

export const DecisionSchema = z.object({
  path: z.enum(paths),
  kernel: z.enum(kernels),
  tileM: z.number().int(),
  tileN: z.number().int(),
  tokens: z.number().int(),
  routedPairs: z.number().int(),
  threshold: z.number().int(),
  /** id of the rule file */
  rules: z.string(),
  steps: z.array(DecisionStepSchema),
});
export type Decision = z.infer<typeof DecisionSchema>;

export const LayerShapeSchema = z.object({
  hidden: z.number().int(),
  intermediate: z.number().int(),
  experts: z.number().int(),
  topK: z.number().int(),
  gated: z.boolean(),
  activation: z.enum(activations),
});
export type LayerShape = z.infer<typeof LayerShapeSchema>;

export const ThresholdSchema = z.object({ tokens: z.number().int().min(0), origin: OriginSchema });
export type Threshold = z.infer<typeof ThresholdSchema>;

export const RoutingSchema = z.object({
  scoring: z.enum(['softmax', 'sigmoid']),
  renormalize: z.boolean(),
  scale: z.number(),
  groups: z.number().int(),
  topGroups: z.number().int(),
  correctionBias: z.boolean(),
});
export type Routing = z.infer<typeof RoutingSchema>;

/** One layer of a checkpoint as the opener sees it, MoE or not. */
export const LayerEntrySchema = z.object({
  index: z.number().int(),
  prefix: z.string(),
  kind: z.enum(['moe', 'dense', 'other']),
  /** why a MoE layer cannot be loaded or what it cannot run; empty when all is well */
  notes: z.array(z.string()),
  shape: LayerShapeSchema.nullable(),
  quantization: z.enum(['nvfp4', 'w4a16', 'other', 'none']),
});
export type LayerEntry = z.infer<typeof LayerEntrySchema>;

export const CheckpointSummarySchema = z.object({
  path: z.string(),
  name: z.string(),
  family: z.string(),
  modelType: z.string(),
  format: z.enum(['modelopt', 'compressed-tensors']),
  quantAlgo: z.string(),
  producer: z.string(),
  files: z.number().int(),
  bytes: z.number(),
  tensors: z.number().int(),
  routing: RoutingSchema,
  layers: z.array(LayerEntrySchema),
  warnings: z.array(z.string()),
});
export type CheckpointSummary = z.infer<typeof CheckpointSummarySchema>;

export const LayerSummarySchema = z.object({
  index: z.number().int(),
  prefix: z.string(),
  shape: LayerShapeSchema,
  contract: z.enum(contracts),
  merge: z.enum(['max', 'column-0']),
  differingGateUp: z.number().int(),
  rescaledBlockScales: z.number().int(),
  a1: z.number().nullable(),
  a2: z.number().nullable(),
  s2Min: z.number(),
  s2Max: z.number(),
  /** bytes of each set: FP4 (shared by both paths), b12x scales, CUTLASS scales (the second set), multipliers */
  bytes: z.object({ fp4: z.number(), b12xScales: z.number(), cutlassScales: z.number(), multipliers: z.number() }),
  registered: z.array(z.string()),
  hybrid: z.object({ possible: z.boolean(), reason: z.string() }),
  notes: z.array(z.string()),
});
export type LayerSummary = z.infer<typeof LayerSummarySchema>;
