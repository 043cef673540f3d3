/**
 * The one map of what crosses between window and engine: requests with parameters and replies, and events. Both ends
 * parse with it. The same messages go over an Electron port, a WebSocket and the in-memory host.
 */
import { z } from 'zod';
import { float64Array } from './arrays';
import {
  BatchDetailSchema,
  BatchRowSchema,
  DiffSchema,
  RunStatsSchema,
  sides,
  stages,
  TileSchema,
  TimelineSchema,
  WhatIfSchema,
} from './batch';
import { ElementHistorySchema, NoiseSchema } from './element';
import { AppErrorSchema } from './errors';
import { DiffExplanationSchema } from './explanation';
import { HazardReportSchema } from './hazards';
import { CheckpointSummarySchema, contracts, LayerSummarySchema, OriginSchema, paths } from './layer';
import { LayoutSearchSchema } from './layouts';
import { BatchRoutingSchema, RoutingWindowSchema } from './routing';
import {
  BookmarkSchema,
  DeviceMemorySchema,
  EngineStateSchema,
  SessionInfoSchema,
  WorkloadChangeSchema,
  WorkloadSchema,
} from './session';
import { PickSchema, TensorDescriptorSchema, TensorStatsSchema } from './tensor';

/** Raised when a message changes shape; hello refuses a different one. */
export const CONTRACT_VERSION = 1;

const none = z.object({});
const batchIndex = z.number().int().min(0);
const rectangle = {
  row0: z.number().int(),
  rows: z.number().int().min(1),
  col0: z.number().int(),
  cols: z.number().int().min(1),
  outRows: z.number().int().min(1).max(1024),
  outCols: z.number().int().min(1).max(1024),
};
const tensorId = { id: z.string(), /** batch of a `batch/...` tensor */ batch: batchIndex.optional() };

const request = <P extends z.ZodType, R extends z.ZodType>(params: P, reply: R) => ({ params, reply });

export const requests = {
  hello: request(
    z.object({ contract: z.number().int() }),
    z.object({ contract: z.number().int(), tool: z.string(), state: EngineStateSchema }),
  ),
  'checkpoint.open': request(z.object({ path: z.string() }), CheckpointSummarySchema),
  'layer.load': request(
    z.object({
      layer: z.number().int().optional(),
      contract: z.enum(contracts).optional(),
      merge: z.enum(['max', 'column-0']).optional(),
      provider: z.string().optional(),
      rules: z.string().optional(),
      threshold: z.number().int().min(0).optional(),
      /** what gave the threshold; absent: the window */
      thresholdOrigin: OriginSchema.optional(),
    }),
    LayerSummarySchema,
  ),
  'run.start': request(z.object({ workload: WorkloadChangeSchema.optional() }), none),
  'run.pause': request(none, none),
  /** run exactly one batch, then pause; `tokens` overrides the workload */
  'run.step': request(z.object({ tokens: z.number().int().min(1).optional() }), BatchRowSchema),
  'run.reset': request(none, none),
  'run.threshold': request(z.object({ tokens: z.number().int().min(0) }), z.object({ tokens: z.number().int() })),
  'run.workload': request(WorkloadChangeSchema, WorkloadSchema),
  'run.stats': request(none, RunStatsSchema),
  'run.whatIf': request(z.object({ threshold: z.number().int().min(0) }), WhatIfSchema),
  'batches.rows': request(
    z.object({ first: z.number().int(), count: z.number().int().min(1).max(500), path: z.enum(paths).optional() }),
    z.object({ total: z.number().int(), rows: z.array(BatchRowSchema) }),
  ),
  'batches.timeline': request(
    z.object({ first: z.number(), last: z.number(), columns: z.number().int().min(1).max(4096) }),
    TimelineSchema,
  ),
  'batch.detail': request(z.object({ batch: batchIndex }), BatchDetailSchema),
  /** nearest batch on another path, looking both ways; null when there is none */
  'batch.nearestOther': request(z.object({ batch: batchIndex }), z.object({ batch: z.number().int().nullable() })),
  'batch.rerun': request(
    z.object({ batch: batchIndex, path: z.enum(['b12x', 'cutlass']) }),
    z.object({ microseconds: z.number(), nrmse: z.number(), cosine: z.number(), identical: z.boolean() }),
  ),
  /** Load of the experts over batches first..last, as cells */
  'routing.window': request(
    z.object({
      first: z.number(),
      last: z.number(),
      columns: z.number().int().min(1).max(2000),
      rows: z.number().int().min(1).max(1024),
    }),
    RoutingWindowSchema,
  ),
  'routing.batch': request(z.object({ batch: batchIndex }), BatchRoutingSchema),
  'tensor.list': request(z.object({ batch: batchIndex.optional() }), z.array(TensorDescriptorSchema)),
  'tensor.tile': request(z.object({ ...tensorId, plane: z.number().int(), ...rectangle }), TileSchema),
  /** this tensor divided by the other, element by element (b12x against CUTLASS ratio map) */
  'tensor.ratioTile': request(
    z.object({ ...tensorId, against: z.string(), plane: z.number().int(), ...rectangle }),
    TileSchema,
  ),
  'tensor.histogram': request(z.object({ ...tensorId, plane: z.number().int() }), z.object({ counts: float64Array })),
  'tensor.stats': request(z.object(tensorId), z.array(TensorStatsSchema)),
  /** "try every layout": the orders in which this block-scale tensor may be stored, ranked by what they explain */
  'tensor.layouts': request(z.object(tensorId), LayoutSearchSchema),
  'tensor.pick': request(
    z.object({ ...tensorId, plane: z.number().int(), row: z.number().int(), column: z.number().int() }),
    PickSchema,
  ),
  /** hazards of the layer that is looked at, live or recorded */
  'hazards.list': request(none, HazardReportSchema),
  'diff.stages': request(
    z.object({
      batch: batchIndex,
      a: z.enum(sides),
      b: z.enum(sides),
      rtol: z.number().min(0),
      atol: z.number().min(0),
    }),
    DiffSchema,
  ),
  /** shares of the squared error by cause, and whether a follows its documented pipeline; reports progress, can be cancelled */
  'diff.explain': request(z.object({ batch: batchIndex, a: z.enum(sides), b: z.enum(sides) }), DiffExplanationSchema),
  /** `runs` runs of each side with other accumulation seeds, and sums in other orders; reports progress, can be cancelled */
  'diff.noise': request(
    z.object({
      batch: batchIndex,
      a: z.enum(sides),
      b: z.enum(sides),
      rtol: z.number().min(0),
      atol: z.number().min(0),
      runs: z.number().int().min(1).max(64),
    }),
    NoiseSchema,
  ),
  /** one element of the output back to x on both sides; `slot` and `element` (of I) also ask for FC1 behind it */
  'diff.history': request(
    z.object({
      batch: batchIndex,
      a: z.enum(sides),
      b: z.enum(sides),
      token: z.number().int().min(0),
      column: z.number().int().min(0),
      slot: z.number().int().min(0).optional(),
      element: z.number().int().min(0).optional(),
    }),
    ElementHistorySchema,
  ),
  'diff.tile': request(
    z.object({ batch: batchIndex, a: z.enum(sides), b: z.enum(sides), stage: z.enum(stages), ...rectangle }),
    TileSchema,
  ),
  'session.record': request(z.object({ path: z.string(), taps: z.boolean(), notes: z.string().optional() }), none),
  'session.stopRecording': request(none, SessionInfoSchema),
  'session.open': request(z.object({ path: z.string() }), SessionInfoSchema),
  'session.close': request(none, none),
  'session.seek': request(z.object({ batch: batchIndex }), z.object({ batch: z.number().int() })),
  'session.play': request(z.object({ rate: z.number().positive() }), none),
  'session.annotate': request(
    z.object({ notes: z.string().optional(), bookmark: BookmarkSchema.omit({ at: true }).optional() }),
    none,
  ),
} as const;

export type Requests = typeof requests;
export type RequestName = keyof Requests;
export type Params<N extends RequestName> = z.input<Requests[N]['params']>;
export type ParsedParams<N extends RequestName> = z.output<Requests[N]['params']>;
export type Reply<N extends RequestName> = z.output<Requests[N]['reply']>;

export const events = {
  state: EngineStateSchema,
  /**
   * Coalesced: at most 20 events a second, at most 200 rows each, newest kept; `dropped` counts rows left out (they are still
   * in batches.rows). `deviceMemory` is the state's, where these batches changed it; absent while it is as last sent.
   */
  batches: z.object({
    rows: z.array(BatchRowSchema),
    total: z.number().int(),
    dropped: z.number().int(),
    deviceMemory: DeviceMemorySchema.optional(),
  }),
  progress: z.object({ request: z.number().int(), label: z.string(), done: z.number(), total: z.number() }),
  warning: z.object({ message: z.string() }),
  failure: AppErrorSchema,
} as const;
export type Events = typeof events;
export type EventName = keyof Events;
export type EventPayload<N extends EventName> = z.output<Events[N]>;

/** Envelopes on the wire. `id` counts up per window; `cancel` asks to end request `id` (it then fails with `cancelled`). */
export const ToEngineSchema = z.union([
  z.object({ type: z.literal('request'), id: z.number().int(), name: z.string(), params: z.unknown() }),
  z.object({ type: z.literal('cancel'), id: z.number().int() }),
]);
export type ToEngine = z.infer<typeof ToEngineSchema>;
export const ToWindowSchema = z.union([
  z.object({ type: z.literal('reply'), id: z.number().int(), result: z.unknown() }),
  z.object({ type: z.literal('error'), id: z.number().int(), error: AppErrorSchema }),
  z.object({ type: z.literal('event'), name: z.string(), payload: z.unknown() }),
]);
export type ToWindow = z.infer<typeof ToWindowSchema>;

/** What the shell (Electron or the web host) offers beside the engine. */
export const shellRequests = {
  /** native file dialog; on the web host a typed path. null = cancelled */
  'shell.pickFolder': request(z.object({ title: z.string() }), z.object({ path: z.string().nullable() })),
  'shell.saveFile': request(
    z.object({ name: z.string(), bytes: z.unknown() }),
    z.object({ path: z.string().nullable() }),
  ),
  /** a new engine process after `engine-gone`; every window then gets a `state` event */
  'shell.restartEngine': request(none, none),
  'shell.about': request(
    none,
    z.object({
      version: z.string(),
      host: z.enum(['electron', 'web', 'memory']),
      electron: z.string(),
      chromium: z.string(),
      node: z.string(),
    }),
  ),
} as const;
export type ShellRequests = typeof shellRequests;
export type ShellRequestName = keyof ShellRequests;
