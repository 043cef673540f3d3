import type { Timeline } from '../../contract/batch';
import { kernels } from '../../contract/layer';
import type { BatchColumns } from './columns';
import { blockRows, Extremes } from './summaries';

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
  const span = to - from + 1;
  const counts = new Float64Array(columns * kernels.length);
  const errors = new Float32Array(columns);
  const extremes = new Float32Array(columns * 4).fill(Number.NaN);
  const end = Math.min(to + 1, visible);
  let index = Math.max(0, from);
  while (index < end) {
    const column = Math.floor(((index - from) * columns) / span);
    // The first batch of the next column: the smallest i with (i - from) * columns >= (column + 1) * span.
    const columnEnd = Math.min(end, from + Math.ceil(((column + 1) * span) / columns));
    index = fillColumn(table, index, columnEnd, column, { counts, errors, extremes });
  }
  const part = (offset: number) =>
    Float32Array.from({ length: columns }, (_, column) => extremes[column * 4 + offset] as number);
  return {
    first: from,
    last: to,
    columns,
    counts,
    tokensMin: part(0),
    tokensMax: part(1),
    microsecondsMax: part(2),
    nrmseMax: part(3),
    errors,
  };
}

interface Target {
  counts: Float64Array;
  errors: Float32Array;
  extremes: Float32Array;
}

/** Batches [index, end) into one column: whole blocks through their summaries, the rest one by one. Returns `end`. */
function fillColumn(table: BatchColumns, index: number, end: number, column: number, target: Target): number {
  const place = new Extremes(target.extremes, column * 4);
  const add = (array: Float64Array | Float32Array, at: number, more: number) => {
    array[at] = (array[at] as number) + more;
  };
  let at = index;
  while (at < end) {
    if (at % blockRows === 0 && at + blockRows <= end) {
      const { counts, base, extremes, at: from } = table.summaries.block(at / blockRows);
      for (let kernel = 0; kernel < kernels.length; kernel++) {
        add(target.counts, column * kernels.length + kernel, counts[base + kernel] as number);
      }
      add(target.errors, column, counts[base + kernels.length] as number);
      place.merge(extremes, from);
      at += blockRows;
      continue;
    }
    add(target.counts, column * kernels.length + table.kernelIndex(at), 1);
    if (table.failed(at)) add(target.errors, column, 1);
    place.row(table, at);
    at++;
  }
  return end;
}
