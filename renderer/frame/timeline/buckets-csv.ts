/** The timeline as a table: one row a pixel column. */
import type { Timeline } from '../../../electron/contract/batch';
import { kernels } from '../../../electron/contract/layer';
import { toCsv } from '../../format/csv';

/** A cell is empty where its column has no such number: no batch, none that was timed, none that was compared. */
export function bucketsCsv(buckets: Timeline): string {
  const perColumn = (buckets.last - buckets.first + 1) / buckets.columns;
  const header = ['first batch', ...kernels, 'tokens min', 'tokens max', 'time max (us)', 'NRMSE max', 'errors'];
  const known = (values: Float32Array, column: number) => (Number.isNaN(values[column]!) ? null : values[column]!);
  const rows = Array.from({ length: buckets.columns }, (_, column) => [
    Math.floor(buckets.first + column * perColumn),
    ...kernels.map((_kernel, at) => buckets.counts[column * kernels.length + at]),
    known(buckets.tokensMin, column),
    known(buckets.tokensMax, column),
    known(buckets.microsecondsMax, column),
    known(buckets.nrmseMax, column),
    buckets.errors[column],
  ]);
  return toCsv(header, rows);
}
