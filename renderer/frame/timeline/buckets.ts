/** The buckets of the range on screen: one request under way at a time, the newest wish next, none in between. */
import { useEffect, useRef, useState } from 'react';
import type { Timeline } from '../../../electron/contract/batch';
import { trackWork } from '../../stores/idle';
import { ask } from '../../stores/request';
import type { Range } from './geometry';

interface Wish {
  first: number;
  last: number;
  columns: number;
}

/**
 * @param total batches there are; nothing is asked while there are none
 * @param width pixels of the plot; a column is a pixel, or a batch where batches are wider
 * @param version changes when the source does
 */
export function useBuckets(range: Range, total: number, width: number, version: number): Timeline | null {
  const [timeline, setTimeline] = useState<Timeline | null>(null);
  const wish = useRef<Wish | null>(null);
  const busy = useRef(false);
  const any = total > 0;
  const first = Math.max(0, Math.floor(range.first));
  const last = Math.min(total - 1, Math.ceil(range.last));

  // biome-ignore lint/correctness/useExhaustiveDependencies: another source makes the buckets void
  useEffect(() => setTimeline(null), [version]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another source asks again for the same range
  useEffect(() => {
    if (!any || width < 1 || last < first) return;
    wish.current = { first, last, columns: Math.max(1, Math.min(4096, width, last - first + 1)) };
    if (busy.current) return;
    busy.current = true;
    const done = trackWork();
    const serve = async () => {
      while (wish.current) {
        const next = wish.current;
        wish.current = null;
        try {
          setTimeline(await ask('batches.timeline', next));
        } catch {
          // the engine went or the source changed: the frame says so, and the next state asks again
          break;
        }
      }
    };
    void serve().finally(() => {
      busy.current = false;
      done();
    });
  }, [first, last, any, width, version]);
  return any ? timeline : null;
}
