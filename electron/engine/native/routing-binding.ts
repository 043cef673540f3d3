/** The routing part of the addon's surface: routers, how evenly a batch spreads, and the load of a run's experts. */
import type { TaskOptions } from './binding';

/** How evenly rows spread over experts (native/core/routing/balance.h). */
export interface Balance {
  unique: number;
  paddedRows: number;
  imbalance: number;
  variation: number;
  gini: number;
}
/** Rows per expert of every batch of a run, in bounded memory (native/core/routing/load_history.h). */
export interface LoadHistory {
  readonly size: number;
  readonly bytes: number;
  /** The next batch: Int32Array [E], or null where its routing is not known. */
  append(rowsPerExpert: Int32Array | null, tileM: number): void;
  /** Batches first..last as at most `columns` x `rows` cells; the arrays are Float32 [rows * columns] and [columns]. */
  window(request: { first: number; last: number; columns: number; rows: number }): Promise<{
    first: number;
    last: number;
    columns: number;
    rows: number;
    expertsPerRow: number;
    exactFrom: number;
    load: Float32Array;
    unique: Float32Array;
    expectedUnique: Float32Array;
    imbalance: Float32Array;
    paddingShare: Float32Array;
  }>;
}

export interface RoutingBinding {
  /** Router on float32 logits [T, E] -> ids [T, k], weights [T, k]. */
  route(request: {
    logits: Float32Array;
    tokens: number;
    experts: number;
    topK: number;
    scoring: 'softmax' | 'sigmoid';
    bias: Float32Array | null;
    renormalize: boolean;
    scale: number;
    groups: number;
    topGroups: number;
  }): { topkIds: Int32Array; topkWeights: Float32Array };
  /** Rows per expert; unique experts; `paddedRows`: rows computed with each expert padded to tile M (waste = paddedRows - T*k). */
  routingStats(
    topkIds: Int32Array,
    experts: number,
    tileM: number,
  ): { rowsPerExpert: Int32Array; unique: number; paddedRows: number; maxRows: number };
  balance(rowsPerExpert: Int32Array, tileM: number): Balance;
  /** Mean over `draws` batches routed uniformly; same seed, same figures. */
  uniformBalance(
    request: { experts: number; topK: number; tileM: number; tokens: number; draws: number; seed: bigint },
    options?: TaskOptions,
  ): Promise<Balance>;
  /** E(1 - (1 - k/E)^T): mean number of experts that T tokens reach under uniform, independent routing. */
  expectedUnique(experts: number, topK: number, tokens: number): number;
  /** `exactBytes`: memory for batches kept one by one, 32 MiB when not given; older ones are kept in blocks of 64. */
  createLoadHistory(experts: number, topK: number, exactBytes?: number): LoadHistory;
}
