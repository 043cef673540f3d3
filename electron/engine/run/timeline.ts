import type { Timeline } from '../../contract/batch';
import { kernels } from '../../contract/layer';
import type { BatchColumns } from './columns';

/**
 * Batches first..last (both inclusive, cut to 0..visible-1) spread over `columns` pixel columns: batch i falls in column
 * floor((i - first) * columns / (last - first + 1)). Columns without a batch have count 0 and NaN extremes.
 */
export function buildTimeline(
  table: BatchColumns,
  visible: number,
  first: number,
  last: number,
  columns: number,
): Timeline {
  const from = Math.floor(first);
  const to = Math.max(from, Math.floor(last));
  const counts = new Float64Array(columns * kernels.length);
  const tokensMin = new Float32Array(columns).fill(Number.NaN);
  const tokensMax = new Float32Array(columns).fill(Number.NaN);
  const microsecondsMax = new Float32Array(columns).fill(Number.NaN);
  const nrmseMax = new Float32Array(columns).fill(Number.NaN);
  const errors = new Float32Array(columns);
  const span = to - from + 1;
  for (let index = Math.max(0, from); index <= Math.min(to, visible - 1); index++) {
    const column = Math.floor(((index - from) * columns) / span);
    const cell = column * kernels.length + table.kernelIndex(index);
    counts[cell] = (counts[cell] as number) + 1;
    const tokens = table.tokens(index);
    // Written as "not above" so that the NaN of an empty column gives way.
    if (!((tokensMin[column] as number) <= tokens)) tokensMin[column] = tokens;
    if (!((tokensMax[column] as number) >= tokens)) tokensMax[column] = tokens;
    if (table.failed(index)) {
      errors[column] = (errors[column] as number) + 1;
      continue;
    }
    const microseconds = table.microseconds(index);
    if (!((microsecondsMax[column] as number) >= microseconds)) microsecondsMax[column] = microseconds;
    const nrmse = table.nrmse(index);
    if (!Number.isNaN(nrmse) && !((nrmseMax[column] as number) >= nrmse)) nrmseMax[column] = nrmse;
  }
  return { first: from, last: to, columns, counts, tokensMin, tokensMax, microsecondsMax, nrmseMax, errors };
}
