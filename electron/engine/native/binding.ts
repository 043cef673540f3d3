/**
 * The Node-API surface of the addon (native/addon), as TypeScript. Everything that may take longer than a millisecond
 * is asynchronous and runs on a worker thread; handles are opaque objects that keep native memory alive; no memory is
 * shared with V8 (Electron's memory cage forbids it), so results are copied once into V8-owned buffers.
 *
 * Errors are `Error` objects with `code` (an ErrorCode of electron/contract/errors.ts) and `details` (plain data).
 */

import type { ErrorCode } from '../../contract/errors';
import type {
  Activation,
  Contract,
  Decision,
  DType,
  Kernel,
  Path,
  ReferenceContract,
  ScaleLayout,
} from '../../contract/layer';
import type { DeviceMemory } from '../../contract/session';
import type { BlockCensus, LayoutEvidence } from './block-census';
import type { ExplainBinding } from './explain-binding';
import type { GroupComparison, HistoryPlace, NativeHistory, ResumNoise, ResumOptions } from './history-binding';
import type { LayoutBinding } from './layout-binding';
import type { RoutingBinding } from './routing-binding';

export interface NativeError extends Error {
  code: ErrorCode;
  details?: Record<string, string | number | boolean>;
}

/** Cooperative cancellation of native work: `cancel()` makes the pending promise reject with code `cancelled`. */
export interface CancelFlag {
  cancel(): void;
}
export interface TaskOptions {
  cancel?: CancelFlag;
  /** Called on the JS thread, at most about 20 times a second. */
  onProgress?: (done: number, total: number) => void;
}

/** A read-only memory map of one file. */
export interface MappedFile {
  readonly path: string;
  readonly size: number;
  /** Bytes [offset, offset + length). Throws `out-of-bounds` when the range leaves the file. At most 64 MiB a call. */
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

export interface TensorInfo {
  name: string;
  dtype: DType;
  shape: number[];
  layout: ScaleLayout;
  bytes: number;
}

/** Rectangle of one plane (expert) of a tensor, in LOGICAL rows and columns, reduced to outRows x outCols cells. */
export interface TileRequest {
  plane: number;
  row0: number;
  rows: number;
  col0: number;
  cols: number;
  outRows: number;
  outCols: number;
}
export interface Tile {
  outRows: number;
  outCols: number;
  /** Float32 [outRows * outCols]; NaN elements are left out of min/max/mean and counted in `marks`. */
  min: Float32Array;
  max: Float32Array;
  mean: Float32Array;
  /** Uint8 [outRows * outCols], bits: 1 zero, 2 subnormal, 4 saturated (|x| = format maximum), 8 NaN present. */
  marks: Uint8Array;
}
export interface TensorStats {
  count: number;
  min: number;
  max: number;
  mean: number;
  rms: number;
  zero: number;
  subnormal: number;
  saturated: number;
  nan: number;
}
/** One element seen in all its addresses. Row/column are logical; for a non-scale tensor the swizzled fields are absent. */
export interface Pick {
  plane: number;
  row: number;
  column: number;
  linearOffset: number;
  swizzledOffset?: number;
  mma6d?: [number, number, number, number, number, number];
  bits: number;
  value: number;
  kind: 'normal' | 'zero' | 'subnormal' | 'saturated' | 'nan' | 'infinite';
}

/** A tensor in native memory: a parameter of a layer, a tap of a batch, an output, or a view of a mapped file. */
export interface NativeTensor {
  info(): TensorInfo;
  /** Copies bytes [offset, offset + length) out; at most 64 MiB a call. */
  read(offset: number, length: number): Uint8Array;
  tile(request: TileRequest): Promise<Tile>;
  /** Counts by code: 256 for E4M3/U8 bytes, 16 for layout "fp4"; for wide types 64 log2 bins of |x| (2^-40 .. 2^23). `plane` -1 = all. */
  histogram(plane: number): Promise<Float64Array>;
  /** Per plane (expert) statistics over the UNPADDED elements. */
  stats(): Promise<TensorStats[]>;
  pick(plane: number, row: number, column: number): Pick;
  /** SHA-256 (hex) of the storage bytes of each plane: what EPLB must move in lockstep. */
  planeHashes(): Promise<string[]>;
}

/** Where one expert's projection lies: index into `files` and byte offsets; scalars already read by the caller. */
export interface ProjectionSources {
  file: Int32Array; // [E], for the packed weight
  packed: Float64Array; // [E] byte offsets of U8 [N, K/2]
  scaleFile: Int32Array; // [E]
  scale: Float64Array; // [E] byte offsets of F8_E4M3 [N, K/16], linear
  /** fp32 scalars as stored. `convention` says which form: small (ModelOpt, value*s) or large (compressed-tensors, value/s). */
  s2: Float32Array; // [E]
  inputScale: Float32Array | null; // [E] or absent (W4A16)
}
export interface AssembleSpec {
  hidden: number;
  intermediate: number;
  experts: number;
  topK: number;
  gated: boolean;
  activation: Activation;
  swigluAlpha: number;
  swigluLimit: number;
  convention: 'small' | 'large';
  /** gate/up weight_scale_2 that differ: `max` rescales the block scales of the smaller half (second rounding), `column-0` takes gate's. */
  merge: 'max' | 'column-0';
  files: MappedFile[];
  gate: ProjectionSources | null;
  up: ProjectionSources;
  down: ProjectionSources;
}
export interface AssembleReport {
  /** Experts whose gate and up global scales differ, and block scales changed by reconciling them. */
  differingGateUp: number;
  rescaledBlockScales: number;
  a1: number | null; // shared FC1 input scale (small form): max over experts and gate/up
  a2: number | null;
  s2Min: number;
  s2Max: number;
  bytes: number;
}
/** The layer as the checkpoint has it, gate/up merged to rows [up, gate]; keeps its mapped files open. */
export interface CheckpointLayer {
  report(): AssembleReport;
  /** Logical checkpoint tensors: w13_weight, w2_weight (fp4), w13_weight_scale, w2_weight_scale (linear), *_weight_scale_2, *_input_scale. */
  tensors(): NativeTensor[];
}

/** A layer under one scale contract, with the published parameter names. */
export interface PreparedLayer {
  readonly contract: Contract;
  readonly threshold: number;
  /** Every registered parameter, in registration order; FP4 bytes are shared with the CheckpointLayer's storage until rearranged. */
  tensors(): NativeTensor[];
  /** w1_sf_mma / w2_sf_mma: strided 6D views (32,4,m_tiles,4,k_tiles,E) of the live scales, no copy. */
  views(): NativeTensor[];
  /** Bytes by set: fp4 (shared once), b12x scales, cutlass scales, alphas. */
  byteSets(): { fp4: number; b12xScales: number; cutlassScales: number; multipliers: number };
  /** EPLB: row p of every registered parameter := old row permutation[p]. `leaveOut` (names) is for breaking it on purpose. Returns a NEW layer. */
  rearrange(permutation: Int32Array, leaveOut?: string[]): Promise<PreparedLayer>;
  /** Writes all parameters as one safetensors file (F8_E4M3 kept), atomically. */
  writeSafetensors(path: string, options?: TaskOptions): Promise<void>;
}

export interface Capabilities {
  paths: Path[];
  activations: Activation[];
  contracts: (Contract | ReferenceContract)[];
  taps: string[];
  cutlassPrefillThreshold: boolean;
  deterministicOnly: boolean;
  maxTokens: number;
  timingSource: string;
}
export interface DeviceInfo {
  name: string;
  driver: string;
  arch: string;
  available: boolean;
  reason: string;
  memoryBytes: number;
}
export interface RunRequest {
  tokens: number;
  /** BF16 bits [T, H] */
  x: Uint16Array;
  topkIds: Int32Array; // [T, k]
  topkWeights: Float32Array; // [T, k]
  path: Path;
  kernel: Kernel;
  tileM: number;
  tileN: number;
  /** Tap names: x_q x_sf fc1 act act_q act_sf fc2 */
  taps: string[];
  deterministic: boolean;
  seed: number;
  cancel?: CancelFlag;
}
export interface RunResult {
  /** "y" and the taps. y: BF16 [T, H] (F64 from the reference provider). */
  tensors: Record<string, NativeTensor>;
  stages: { stage: string; microseconds: number }[];
  workspaceBytes: number;
}
/** A layer created on a provider. One run at a time; further calls wait. */
export interface ProviderLayer {
  run(request: RunRequest): Promise<RunResult>;
  /** One element of y back to x, by a run of its token alone. Throws `unsupported` on providers that are not built in, `out-of-bounds`. */
  history(request: RunRequest, place: HistoryPlace): Promise<NativeHistory>;
  /** How far other orders of addition move a sample of elements. Only the cpu provider; `unsupported` otherwise. */
  resumNoise(request: RunRequest, options: ResumOptions): Promise<ResumNoise>;
  /** As it was after the last run, or after creation; null on a provider that works in the host's memory. */
  memory(): DeviceMemory | null;
  destroy(): void;
}
export interface Provider {
  readonly name: string;
  readonly version: string;
  capabilities(): Capabilities;
  probe(): DeviceInfo;
  /** `ideal*` and `weights-only` need `checkpoint`; the three contracts need `prepared`. */
  createLayer(source: {
    checkpoint: CheckpointLayer;
    prepared?: PreparedLayer;
    contract: Contract | ReferenceContract;
  }): Promise<ProviderLayer>;
}

/** Comparison of two tensors of equal shape (dtypes may differ; compared as fp64). */
export interface Comparison {
  count: number;
  maxAbs: number;
  maxAbsIndex: number;
  /** ||a-b|| / ||b||, b the reference side. */
  nrmse: number;
  relL2: number;
  cosine: number;
  /** Pearson correlation: the cosine of the deviations from each side's mean. */
  pcc: number;
  /** Share of elements with |a-b| <= atol + rtol*|b|. */
  withinTolerance: number;
  /** Least-squares factor s of a ~ s*b. */
  bestScale: number;
  nanA: number;
  nanB: number;
  /** Distance in bf16 ULPs: bins 0,1,2,3-4,5-8,...,513-1024,>1024 (13 bins). */
  ulpHistogram: Float64Array;
  worst: { index: number; a: number; b: number }[];
}

export interface RuleLimits {
  id: string;
  directMicroMaxTokens: number;
  directMicroMaxRoutedPairs: number;
  directMicroMaxIntermediate: number;
  directMicroMaxHidden: number;
  directMicroMaxTopK: number;
  microMaxTokens: number;
  microMaxRoutedPairs: number;
  microMaxRoutedPairsTopK1: number;
  staticMaxRoutedPairs: number;
  /** rows below multiplier*E take this tile M, for gated dynamic; then the last. */
  dynamicTileM: { rowsPerExpertBelow: number; tileM: number }[];
  dynamicTileMDefault: number;
  dynamicTileMNonGated: number;
  intermediateTile: number; // 128: intermediate is padded to it
  /** Tuned resident clusters up to so many routed pairs; absent where the release has no ladder. */
  microClusters?: { maxRoutedPairs: number; clusters: number }[] | undefined;
  staticClusters?: { maxRoutedPairs: number; clusters: number }[] | undefined;
  dynamicClusters?: { maxRoutedPairs: number; clusters: number }[] | undefined;
}
export interface DecideRequest {
  tokens: number;
  topK: number;
  experts: number;
  hidden: number;
  intermediate: number;
  gated: boolean;
  threshold: number;
  thresholdOrigin: { kind: string; where: string };
  /** A forced path skips the threshold gate and says so in the chain. */
  force: Path | 'auto';
  /** Where each limit came from, by RuleLimits key; environment overrides appear here. */
  limits: RuleLimits;
  origins: Record<string, { kind: string; where: string }>;
  /** Streaming multiprocessors of the device, where it is known: the narrow static tile depends on how many stay idle. */
  smCount?: number;
  /** SMs that 128x128 tiles would leave idle, for callers that know only this. */
  idleSms?: number;
}

export interface MakeProjectionRequest {
  rows: number; // N
  columns: number; // K
  seed: bigint;
  /** standard deviation of the random weights before quantization */
  sigma: number;
  /** `realistic`: s2 = amax/2688. `power-of-two`: s2 is the power of two that keeps all block scales normal. */
  scales: 'realistic' | 'power-of-two';
}

export interface NativeBinding extends ExplainBinding, LayoutBinding, RoutingBinding {
  /** simd: levels compiled in, best first; active: the one chosen on this CPU. */
  info(): { version: string; napi: number; simd: string[]; activeSimd: string; threads: number };
  createCancelFlag(): CancelFlag;
  mapFile(path: string): Promise<MappedFile>;
  /** A tensor over bytes of a mapped file (recorded sessions, tensors of a checkpoint). */
  tensorFromFile(
    file: MappedFile,
    info: {
      name: string;
      dtype: DType;
      shape: number[];
      layout: ScaleLayout;
      offset: number;
      bytes: number;
      logicalShape?: number[];
    },
  ): NativeTensor;
  tensorFromBytes(
    bytes: Uint8Array,
    info: { name: string; dtype: DType; shape: number[]; layout: ScaleLayout },
  ): NativeTensor;
  assembleLayer(spec: AssembleSpec, options?: TaskOptions): Promise<CheckpointLayer>;
  /**
   * `leaveIn` (only with contract `clean`) puts ONE published step back in, for counterfactuals: `baked-block-scales`
   * SF := e4m3(SF*s2) with s2 := 1; `unit-activation-scale` input_global_scale = fc2_input_scale := 1 (w2_weight_scale_2 = s2).
   */
  prepareLayer(
    layer: CheckpointLayer,
    request: { contract: Contract; threshold: number; leaveIn?: ('baked-block-scales' | 'unit-activation-scale')[] },
    options?: TaskOptions,
  ): Promise<PreparedLayer>;
  /** codes [R, C/2] (fp4) * block scales [R, C/16] (linear E4M3) * multiplier, as F32 [R, C]: what a quantized stage means. */
  dequantize(codes: NativeTensor, scales: NativeTensor, multiplier: number): Promise<NativeTensor>;
  /** "reference", "cpu", "cuda" (a library beside the addon), or a provider library's path. Throws `provider-load` and why. */
  openProvider(nameOrPath: string): Provider;
  decide(request: DecideRequest): Decision;
  compare(
    a: NativeTensor,
    b: NativeTensor,
    options: { rtol: number; atol: number; worst: number },
  ): Promise<Comparison>;
  /** compare by groups of rows (all dimensions but the last): `groups` Int32 [rows], each below `count`. */
  compareGroups(a: NativeTensor, b: NativeTensor, groups: Int32Array, count: number): Promise<GroupComparison[]>;
  /** Stored FP4 codes or bytes that differ; both tensors of one 8-bit type and shape. */
  compareCodes(a: NativeTensor, b: NativeTensor): Promise<{ elements: number; differing: number }>;
  /** |a-b| (signed a-b in mean) as a tile of the last two dimensions. */
  /** a/b element by element as a tile of one plane; both tensors are read in logical rows and columns through their own layouts. */
  ratioTile(a: NativeTensor, b: NativeTensor, request: TileRequest): Promise<Tile>;
  differenceTile(a: NativeTensor, b: NativeTensor, request: TileRequest): Promise<Tile>;
  /** Counts rows [row0, row0 + rows) of every plane; scales linear or sf128x4, codes fp4 of the same rows or null. */
  blockCensus(
    scales: NativeTensor,
    codes: NativeTensor | null,
    range: { row0: number; rows: number },
    options?: TaskOptions,
  ): Promise<BlockCensus>;
  /** Per plane of a linear scale tensor; empty where the bytes cannot be unpadded 128x4 tiles. */
  layoutEvidence(
    scales: NativeTensor,
    range: { row0: number; rows: number },
    options?: TaskOptions,
  ): Promise<LayoutEvidence[]>;
  /** Quantizes random weights with our own quantizer: packed [N,K/2], block scales [N,K/16], s2. For make-checkpoint. */
  makeProjection(request: MakeProjectionRequest): Promise<{ packed: Uint8Array; scale: Uint8Array; s2: number }>;
  /** x ~ N(0, sigma) as BF16 bits, from a counter-based generator: same seed, same bits, everywhere. */
  randomNormalBf16(count: number, seed: bigint, sigma: number): Promise<Uint16Array>;
  /** Pieces for tests and for the inspector's bit views. */
  e4m3ToFloat(code: number): number;
  e2m1ToFloat(code: number): number;
  floatToE4m3(value: number): number;
  floatToE2m1(value: number): number;
}
