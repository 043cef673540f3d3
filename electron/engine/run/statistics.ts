import type { RunStats, WhatIf } from '../../contract/batch';
import { kernels } from '../../contract/layer';
import type { BatchColumns } from './columns';

/** Nearest-rank percentile of values sorted upward: the smallest value with at least `share` of all at or below it. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
}

/** Power-of-two bin of a token count: 0 for 1, 1 for 2, 2 for 3..4, 3 for 5..8, ... */
export function tokensBin(tokens: number): number {
  return Math.max(0, Math.ceil(Math.log2(tokens)));
}

/** Numbers of the first `visible` batches. Failed batches count as batches and have no time. */
export function buildStats(table: BatchColumns, visible: number, dropped: number): RunStats {
  const times = kernels.map((_, kernel) => {
    let count = 0;
    for (let index = 0; index < visible; index++)
      if (table.kernelIndex(index) === kernel && !table.failed(index)) count++;
    return new Float64Array(count);
  });
  const filled = kernels.map(() => 0);
  const histogram: { b12x: number; cutlass: number }[] = [];
  for (let index = 0; index < visible; index++) {
    const kernel = table.kernelIndex(index);
    if (!table.failed(index)) {
      const column = times[kernel] as Float64Array;
      column[filled[kernel] as number] = table.microseconds(index);
      filled[kernel] = (filled[kernel] as number) + 1;
    }
    const bin = tokensBin(table.tokens(index));
    while (histogram.length <= bin) histogram.push({ b12x: 0, cutlass: 0 });
    const path = table.path(index);
    if (path !== 'reference') (histogram[bin] as { b12x: number; cutlass: number })[path]++;
  }
  const seconds = visible > 1 ? (table.time(visible - 1) - table.time(0)) / 1000 : 0;
  return {
    batches: visible,
    byKernel: kernels.flatMap((kernel, index) => {
      const sorted = (times[index] as Float64Array).sort();
      if (sorted.length === 0) return [];
      return [
        {
          kernel,
          batches: sorted.length,
          p50: percentile(sorted, 0.5),
          p95: percentile(sorted, 0.95),
          p99: percentile(sorted, 0.99),
        },
      ];
    }),
    tokensHistogram: histogram.map((bin, index) => ({ upTo: 2 ** index, ...bin })),
    batchesPerSecond: seconds > 0 ? (visible - 1) / seconds : 0,
    dropped,
  };
}

/**
 * What a threshold would have done to the batches already seen. A batch goes to CUTLASS iff threshold > 0 and
 * tokens >= threshold. Times are sums over the CHANGED batches whose other path was measured.
 */
export function buildWhatIf(table: BatchColumns, visible: number, threshold: number): WhatIf {
  const result: WhatIf = {
    threshold,
    changed: 0,
    toCutlass: 0,
    toB12x: 0,
    measured: 0,
    unmeasured: 0,
    currentMicroseconds: 0,
    newMicroseconds: 0,
  };
  for (let index = 0; index < visible; index++) {
    const path = table.path(index);
    if (path === 'reference' || table.failed(index)) continue;
    const next = threshold > 0 && table.tokens(index) >= threshold ? 'cutlass' : 'b12x';
    if (next === path) continue;
    result.changed++;
    if (next === 'cutlass') result.toCutlass++;
    else result.toB12x++;
    const other = table.otherMicroseconds(index);
    if (Number.isNaN(other)) {
      result.unmeasured++;
      continue;
    }
    result.measured++;
    result.currentMicroseconds += table.microseconds(index);
    result.newMicroseconds += other;
  }
  return result;
}

/** Nearest batch on another path than batch `index`, the earlier one on a tie; null when all are on one path. */
export function nearestOther(table: BatchColumns, visible: number, index: number): number | null {
  const path = table.path(index);
  for (let distance = 1; distance < visible; distance++) {
    const before = index - distance;
    const after = index + distance;
    if (before < 0 && after >= visible) break;
    if (before >= 0 && table.path(before) !== path) return before;
    if (after < visible && table.path(after) !== path) return after;
  }
  return null;
}
