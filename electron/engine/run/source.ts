/**
 * What a window looks at, live or recorded: one interface (the shape of Lichtblick's player sources, packages/suite-base
 * src/players/IterablePlayer/IIterableSource.ts), so that every request is answered by the same code for both. What a
 * source cannot give comes back as a reason, not as an error.
 */
import type { BatchDetail, Cause, Side } from '../../contract/batch';
import type { SideHistory } from '../../contract/element';
import { AppError } from '../../contract/errors';
import type { Decision, LayerShape, Path } from '../../contract/layer';
import type { TensorDescriptor } from '../../contract/tensor';
import type { MergeFacts } from '../hazards/facts';
import type { CancelFlag, CheckpointLayer, NativeTensor, TaskOptions } from '../native/binding';
import type { HistoryPlace, ResumNoise, ResumOptions } from '../native/history-binding';
import type { LoadHistory } from '../native/routing-binding';
import type { BatchInput } from '../workload/generate';
import type { BatchColumns } from './columns';

export interface Unavailable {
  reason: string;
}
export function isUnavailable(value: object): value is Unavailable {
  return 'reason' in value;
}
/** What a provider does not show comes back as a reason. */
export async function orReason<T extends object>(pending: Promise<T>): Promise<T | Unavailable> {
  try {
    return await pending;
  } catch (thrown) {
    const error = AppError.from(thrown);
    if (error.code === 'unsupported') return { reason: error.message };
    throw error;
  }
}

/** The path whose scales a side has: the reference answers "as b12x" or "as CUTLASS". */
export type RunPath = Exclude<Path, 'reference'>;

/** One answer to a batch: "y" and whatever taps were asked for or recorded. */
export interface Answer {
  side: Side;
  path: RunPath;
  tensors: Record<string, NativeTensor>;
  provenance: string;
}

export type PathTimes = BatchDetail['times'][number];

/** A tensor of the layer with what the window needs to know about it. `multiplier`: global scale per plane, F32 [planes]. */
export interface SourceTensor {
  set: TensorDescriptor['set'];
  name: string;
  role: TensorDescriptor['role'];
  note: string;
  tensor: NativeTensor;
}

export interface Rerun {
  tensors: Record<string, NativeTensor>;
  microseconds: number;
}

/** NRMSE of b12x against CUTLASS with one published step of the contract left in at a time. */
export interface Counterfactuals {
  causes: Cause[];
  floor: number | null;
}

/** The layer as its checkpoint has it, for models of its pipelines. */
export interface ModelLayer {
  checkpoint: CheckpointLayer;
  decide: (tokens: number, force: RunPath) => Decision;
  /** where the weights came from, in words */
  from: string;
  close(): Promise<void>;
}

/** For work that goes through many batches. */
export interface LoadProgress {
  signal?: AbortSignal | undefined;
  report?: ((done: number, total: number) => void) | undefined;
}

export interface Source {
  readonly kind: 'live' | 'replay';
  readonly table: BatchColumns;
  /** Batches that may be seen: all of a live run, those up to the position of a replay. */
  visible(): number;
  readonly shape: LayerShape;
  /** FC1 and FC2 input scale (small form), null for W4A16. */
  readonly activationScales: { a1: number | null; a2: number | null };
  readonly contract: 'unit-alpha' | 'activation-alpha' | 'clean';
  decision(index: number): Promise<Decision>;
  /** Times of each path that ran on this batch when it was first run, as far as they are still known. */
  times(index: number): Promise<PathTimes[]>;
  input(index: number, cancel?: CancelFlag): Promise<BatchInput | Unavailable>;
  /** Sides that `answer` can give for this batch. */
  available(index: number): Side[];
  answer(index: number, side: Side, as: RunPath, taps: boolean, cancel?: CancelFlag): Promise<Answer | Unavailable>;
  /** Runs the batch now, past every cache. */
  rerun(index: number, path: RunPath, cancel?: CancelFlag): Promise<Rerun | Unavailable>;
  /** Runs the batch now with its contributions added in an order drawn from `seed`; all taps. */
  repeat(index: number, path: RunPath, seed: number, cancel?: CancelFlag): Promise<Answer | Unavailable>;
  /** How far other orders of addition move a sample of elements. */
  resumNoise(
    index: number,
    path: RunPath,
    options: ResumOptions,
    cancel?: CancelFlag,
  ): Promise<ResumNoise | Unavailable>;
  /** One element of y back to x, by running its token. */
  elementHistory(
    index: number,
    side: Side,
    as: RunPath,
    place: HistoryPlace,
    cancel?: CancelFlag,
  ): Promise<SideHistory | Unavailable>;
  /** Why a path cannot be run now; empty when it can. */
  whyNot(path: RunPath): string;
  /** Why there is no `modelLayer`; empty when it can be opened. */
  whyNoModel(): Promise<string>;
  /** The weights of the layer; to be closed. Throws what opening a checkpoint throws, `unsupported` where there are none. */
  modelLayer(task: TaskOptions, signal: AbortSignal): Promise<ModelLayer>;
  /** What merging gate and up did to their scales; null where the checkpoint's own are not known. */
  mergeFacts(task: TaskOptions): Promise<MergeFacts | null>;
  /** Measured now, or as recorded. */
  counterfactuals(index: number, cancel?: CancelFlag): Promise<Counterfactuals | Unavailable>;
  /** Rows per expert of batches 0..count-1 at least. */
  load(count: number, progress: LoadProgress): Promise<LoadHistory>;
  layerTensors(): Promise<SourceTensor[]>;
  /** Provider, version, device and timing source of this batch. */
  provenance(index: number): string;
  /** Bytes of tensors and batches held by this source. */
  memoryBytes(): number;
  dispose(): Promise<void>;
}
