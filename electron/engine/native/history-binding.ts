/** Looking into the arithmetic of the built-in providers: native/addon/history_binding.cc. */
import type { DotHistory, Fc1History, SlotHistory } from '../../contract/element';

/** What ProviderLayer.history gives; side, kernel and tiles are the caller's. */
export interface NativeHistory {
  token: number;
  column: number;
  /** equal to the provider's y in its deterministic order, bit for bit */
  y: number;
  reduction: string;
  slots: (Omit<SlotHistory, 'tile' | 'dot'> & { dot: DotHistory })[];
  additions: { slot: number; slice: number; value: number; sum: number }[];
  fc1: Fc1History | null;
}

/** Which element of y; `slot` and `element` (of I) together also ask for FC1 behind that element. */
export interface HistoryPlace {
  token: number;
  column: number;
  slot?: number | undefined;
  element?: number | undefined;
}

export interface ResumOptions {
  /** sampled tokens, and sampled columns of each stage */
  tokens: number;
  columns: number;
  /** random orders of the K blocks and of the additions into y */
  orders: number;
  seed: number;
}
/** NRMSE against the provider's own order over the sample: Float64 [orders], and of the fp64 sum. */
export interface ResumStage {
  orders: Float64Array;
  fp64: number;
}
export interface ResumNoise {
  fc1: ResumStage;
  fc2: ResumStage;
  output: ResumStage;
  elements: number;
}

/** One group of rows of compareGroups. */
export interface GroupComparison {
  rows: number;
  nrmse: number;
  bestScale: number;
  squaredError: number;
}
