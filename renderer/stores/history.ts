/** Undo and redo of view changes. Changes that follow each other quickly (a drag, a zoom) count as one. */

import { useSelection } from './selection';
import { captureView, restoreView, type Snapshot } from './snapshot';
import { useView } from './view';

const together = 400; // milliseconds
const depth = 100;

let past: Snapshot[] = [];
let future: Snapshot[] = [];
let current: Snapshot | null = null;
let changedAt = Number.NEGATIVE_INFINITY;
let restoring = false;
let changed: (snapshot: Snapshot) => void = () => undefined;

/**
 * Starts to remember views; call once.
 * @param onChange told of every new view, undone and redone ones too
 * @returns a function that ends it
 */
export function startHistory(onChange: (snapshot: Snapshot) => void = () => undefined): () => void {
  past = [];
  future = [];
  current = captureView();
  changed = onChange;
  const note = () => {
    const next = captureView();
    if (restoring || !current || same(next, current)) return;
    const now = performance.now();
    if (now - changedAt > together) past = [...past.slice(1 - depth), current];
    changedAt = now;
    future = [];
    current = next;
    changed(next);
  };
  const stops = [useView.subscribe(note), useSelection.subscribe(note)];
  return () => {
    for (const stop of stops) stop();
  };
}

function same(a: Snapshot, b: Snapshot): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function go(to: Snapshot): void {
  restoring = true;
  restoreView(to);
  restoring = false;
  current = to;
  changed(to);
  changedAt = Number.NEGATIVE_INFINITY;
}

/** Back to the view before; false when there is none. */
export function undoView(): boolean {
  const to = past.pop();
  if (!to || !current) return false;
  future.push(current);
  go(to);
  return true;
}

/** Forward again; false when there is nothing to go forward to. */
export function redoView(): boolean {
  const to = future.pop();
  if (!to || !current) return false;
  past.push(current);
  go(to);
  return true;
}
