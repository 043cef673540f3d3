/** The load of the experts over the batches that the timeline shows. */
import { useMemo } from 'react';
import type { RoutingWindow } from '../../../electron/contract/routing';
import { rangeNow } from '../../frame/timeline/geometry';
import { useRun } from '../../stores/run';
import { type Requested, useRequest } from '../../stores/use-request';
import { useThrottled } from '../../stores/use-throttled';
import { useView } from '../../stores/view';

/** A running source grows many times a second; the picture is made anew this often. */
const everyMs = 500;

/** @param columns, rows most cells in each direction; 0 asks nothing */
export function useWindow(columns: number, rows: number): Requested<RoutingWindow> {
  const total = useThrottled(
    useRun((state) => state.total),
    everyMs,
  );
  const epoch = useRun((state) => state.epoch);
  const view = useView((state) => state.timeline);
  const params = useMemo(() => {
    const range = rangeNow(view, total);
    const first = Math.max(0, Math.floor(range.first));
    const last = Math.min(total - 1, Math.ceil(range.last));
    if (columns < 1 || rows < 1 || last < first) return null;
    return { first, last, columns: Math.min(2000, columns), rows: Math.min(1024, rows) };
  }, [view, total, columns, rows]);
  return useRequest('routing.window', params, epoch);
}
