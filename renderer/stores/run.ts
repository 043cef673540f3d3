/** Subject: the batches seen. The newest rows (bounded), totals, statistics, and what another threshold would have done. */
import { create } from 'zustand';
import type { BatchRow, RunStats, WhatIf } from '../../electron/contract/batch';

/** Rows kept in the window; older ones are reached through the timeline and `batches.rows`. */
export const maxRecent = 4000;

export interface RunState {
  /** newest rows, oldest first, at most `maxRecent` */
  recent: BatchRow[];
  /** batches in the source, live or replayed up to its position */
  total: number;
  /** rows that events left out under load (the engine still has them) */
  dropped: number;
  stats: RunStats | null;
  /** answer of `run.whatIf` for the threshold being dragged; null = not dragging */
  whatIf: WhatIf | null;
  /** counts up when the source starts anew: charts and caches begin again */
  epoch: number;
}

export const useRun = create<RunState>(() => ({
  recent: [],
  total: 0,
  dropped: 0,
  stats: null,
  whatIf: null,
  epoch: 0,
}));

/** Adds rows in order of index; a row already there is replaced (a re-run adds its comparison). */
export function addRows(rows: readonly BatchRow[], total: number, dropped: number): void {
  useRun.setState((state) => ({
    recent: mergeRows(state.recent, rows),
    total,
    dropped: state.dropped + dropped,
  }));
}

/** Both lists are in order of index; the newer wins where an index is in both; the newest `maxRecent` stay. */
export function mergeRows(before: readonly BatchRow[], added: readonly BatchRow[]): BatchRow[] {
  const firstAdded = added[0];
  const lastBefore = before[before.length - 1];
  let merged: BatchRow[];
  if (!firstAdded) merged = before.slice();
  else if (!lastBefore || firstAdded.index > lastBefore.index) merged = [...before, ...added];
  else {
    const byIndex = new Map<number, BatchRow>();
    for (const row of before) byIndex.set(row.index, row);
    for (const row of added) byIndex.set(row.index, row);
    merged = [...byIndex.values()].sort((a, b) => a.index - b.index);
  }
  return merged.length > maxRecent ? merged.slice(merged.length - maxRecent) : merged;
}

/** The newest run of indices missing between two rows; null when there is none. */
export function newestGap(rows: readonly BatchRow[]): { first: number; last: number } | null {
  for (let at = rows.length - 1; at > 0; at--) {
    const [before, after] = [rows[at - 1]!.index, rows[at]!.index];
    if (after !== before + 1) return { first: before + 1, last: after - 1 };
  }
  return null;
}

/** Forgets all batches: another source, or `run.reset`. */
export function clearRun(): void {
  useRun.setState(({ epoch }) => ({ recent: [], total: 0, dropped: 0, stats: null, whatIf: null, epoch: epoch + 1 }));
}
