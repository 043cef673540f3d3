/** Times over the run: percentiles per kernel in windows of batches. Over the rows in the window only, never over tensors. */
import type { BatchRow } from '../../../electron/contract/batch';
import { type Kernel, kernels } from '../../../electron/contract/layer';

export const percentiles = [50, 95, 99] as const;
export type Percentile = (typeof percentiles)[number];

/** One window of batches: first index, and a time in microseconds for each kernel that ran in it. */
export type WindowPoint = { index: number } & Record<Kernel, number | null>;

const mostWindows = 60;

/** Nearest-rank percentile of values in order; the smallest value that at least `share` percent do not exceed. */
export function percentileOf(sorted: readonly number[], share: Percentile): number {
  return sorted[Math.max(0, Math.ceil((share / 100) * sorted.length) - 1)]!;
}

/**
 * Windows are powers of two and begin at multiples of themselves, so that a point stays where it is while rows arrive.
 * @param rows in order of index
 */
export function timesOverRun(rows: readonly BatchRow[], share: Percentile): { points: WindowPoint[]; window: number } {
  const first = rows[0];
  const last = rows[rows.length - 1];
  if (!first || !last) return { points: [], window: 0 };
  const span = last.index - first.index + 1;
  const window = Math.max(8, 2 ** Math.ceil(Math.log2(span / mostWindows)));
  const points: WindowPoint[] = [];
  let times = new Map<Kernel, number[]>();
  let current = Math.floor(first.index / window);
  const close = () => {
    const point = { index: current * window } as WindowPoint;
    for (const kernel of kernels) {
      const values = times.get(kernel);
      point[kernel] = values
        ? percentileOf(
            values.sort((a, b) => a - b),
            share,
          )
        : null;
    }
    points.push(point);
    times = new Map();
  };
  for (const row of rows) {
    const bin = Math.floor(row.index / window);
    if (bin !== current) {
      close();
      current = bin;
    }
    if (row.error) continue;
    const values = times.get(row.kernel);
    if (values) values.push(row.microseconds);
    else times.set(row.kernel, [row.microseconds]);
  }
  close();
  return { points, window };
}
