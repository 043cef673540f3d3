/** Which batches pass the filters. */
import type { BatchRow } from '../../../electron/contract/batch';
import type { BatchFilters } from '../../stores/view';

/** Rows that pass, newest first. A batch that was not compared has no NRMSE and fails a limit on it. */
export function filterRows(rows: readonly BatchRow[], filters: BatchFilters): BatchRow[] {
  const { path, minTokens, maxTokens, minNrmse, failedOnly } = filters;
  const passed: BatchRow[] = [];
  for (let at = rows.length - 1; at >= 0; at--) {
    const row = rows[at]!;
    if (path !== null && row.path !== path) continue;
    if (minTokens !== null && row.tokens < minTokens) continue;
    if (maxTokens !== null && row.tokens > maxTokens) continue;
    if (minNrmse !== null && !(row.nrmse !== null && row.nrmse >= minNrmse)) continue;
    if (failedOnly && row.error === null) continue;
    passed.push(row);
  }
  return passed;
}
