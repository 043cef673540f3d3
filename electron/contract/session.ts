/** What is known of a recorded session, and of the source a window looks at. */
import { z } from 'zod';
import { AppErrorSchema } from './errors';
import { CheckpointSummarySchema, contracts, LayerSummarySchema, ThresholdSchema } from './layer';

/** Format version of `.moesession` directories; raise it with a numbered migration in engine/session/migrations. */
export const SESSION_FORMAT = 1;

export const DeviceSchema = z.object({
  provider: z.string(),
  version: z.string(),
  name: z.string(),
  arch: z.string(),
  driver: z.string(),
  available: z.boolean(),
  reason: z.string(),
  timingSource: z.string(),
  threshold: z.boolean(),
});
export type Device = z.infer<typeof DeviceSchema>;

export const BookmarkSchema = z.object({ batch: z.number().int(), text: z.string(), at: z.string() });

export const SessionInfoSchema = z.object({
  path: z.string(),
  name: z.string(),
  format: z.number().int(),
  tool: z.string(),
  createdAt: z.string(),
  device: DeviceSchema,
  checkpoint: CheckpointSummarySchema.nullable(),
  layer: LayerSummarySchema.nullable(),
  threshold: ThresholdSchema,
  batches: z.number().int(),
  blobs: z.number().int(),
  blobBytes: z.number(),
  eventBytes: z.number(),
  taps: z.boolean(),
  notes: z.string(),
  bookmarks: z.array(BookmarkSchema),
  integrity: z.object({ complete: z.boolean(), message: z.string(), lost: z.array(z.string()) }),
});
export type SessionInfo = z.infer<typeof SessionInfoSchema>;

export const WorkloadSchema = z.object({
  kind: z.enum(['mix', 'decode', 'prefill', 'sequence']),
  /** sequence: token counts replayed in a circle */
  tokens: z.array(z.number().int().min(1)).default([]),
  maxTokens: z.number().int().min(1).default(256),
  /** share of prefill batches of the mix */
  prefillShare: z.number().min(0).max(1).default(0.3),
  /** 0 = uniform; s of a Zipf law over experts */
  skew: z.number().min(0).max(3).default(0),
  sigma: z.number().positive().default(1),
  seed: z.number().int().default(1),
  /** stop after so many batches; 0 = until stopped */
  batches: z.number().int().min(0).default(0),
  /** at most so many batches a second; 0 = as fast as it goes */
  rate: z.number().min(0).default(4),
  /** run the other path too on every n-th batch and compare; 0 = never */
  compareEvery: z.number().int().min(0).default(1),
});
export type Workload = z.infer<typeof WorkloadSchema>;

const unwrapped = <T extends z.ZodType>(field: T | z.ZodDefault<T>): T =>
  field instanceof z.ZodDefault ? (field.unwrap() as T) : field;
const workload = WorkloadSchema.shape;
/** A change of some fields. Its own schema and not `.partial()`, which would set every field left out to its default. */
export const WorkloadChangeSchema = z
  .object({
    kind: workload.kind,
    tokens: unwrapped(workload.tokens),
    maxTokens: unwrapped(workload.maxTokens),
    prefillShare: unwrapped(workload.prefillShare),
    skew: unwrapped(workload.skew),
    sigma: unwrapped(workload.sigma),
    seed: unwrapped(workload.seed),
    batches: unwrapped(workload.batches),
    rate: unwrapped(workload.rate),
    compareEvery: unwrapped(workload.compareEvery),
  })
  .partial();
export type WorkloadChange = z.infer<typeof WorkloadChangeSchema>;

export const runStates = ['empty', 'loading', 'ready', 'running', 'paused', 'replay', 'failed'] as const;

/** What a layer holds of a device's own memory, bytes; as provider.h's moe_layer_memory has it. */
export const DeviceMemorySchema = z.object({
  /** FP4 codes, the scales of each path, multipliers */
  tensors: z.number(),
  /** copies of them in the order that kernels read */
  reordered: z.number(),
  /** buffers of runs, kept from run to run */
  runs: z.number(),
  /** captured graphs that are kept; their memory is not known */
  graphs: z.number().int(),
});
export type DeviceMemory = z.infer<typeof DeviceMemorySchema>;

/** The engine's state, sent whole on every change (it is small). */
export const EngineStateSchema = z.object({
  state: z.enum(runStates),
  source: z.enum(['none', 'live', 'replay']),
  checkpoint: CheckpointSummarySchema.nullable(),
  layer: LayerSummarySchema.nullable(),
  contract: z.enum(contracts),
  rules: z.string(),
  ruleFiles: z.array(z.object({ id: z.string(), source: z.string(), date: z.string() })),
  threshold: ThresholdSchema,
  workload: WorkloadSchema,
  device: DeviceSchema.nullable(),
  providers: z.array(DeviceSchema),
  session: SessionInfoSchema.nullable(),
  recording: z.object({ active: z.boolean(), path: z.string(), bytes: z.number(), batches: z.number().int() }),
  /** replay position, the last batch visible */
  position: z.number().int(),
  batches: z.number().int(),
  /** engine memory held for tensors and batches, bytes */
  memoryBytes: z.number(),
  /** absent where the provider works in the host's memory */
  deviceMemory: DeviceMemorySchema.optional(),
  warnings: z.array(z.string()),
  error: AppErrorSchema.nullable(),
});
export type EngineState = z.infer<typeof EngineStateSchema>;
