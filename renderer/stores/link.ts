/** Feeds the stores from the engine: its state, its batches, and statistics asked for at a bounded rate. */
import type { EngineState } from '../../electron/contract/session';
import type { EngineClient } from '../client';
import { useConnection } from './connection';
import { trackWork } from './idle';
import { ask } from './request';
import { addRows, clearRun, newestGap, useRun } from './run';
import { selectBatch, useSelection } from './selection';

const pageOfRows = 500; // the most that `batches.rows` gives at once
const backfill = 2000;
const statsEveryMs = 500;

/** Connects the stores to a client, once per window. */
export function attach(client: EngineClient): void {
  useConnection.setState({ client, link: client.state });
  client.onConnection((link) => {
    useConnection.setState({ link });
    if (link.status !== 'open') useConnection.setState({ tasks: [] });
  });
  client.on('state', takeState);
  client.on('batches', ({ rows, total, dropped, deviceMemory }) => {
    // A run that begins again has the numbers of the one before: another contract, a reset.
    if (total === 0 && useRun.getState().total > 0) startOver();
    addRows(rows, total, dropped);
    if (deviceMemory) useConnection.setState(({ engine }) => ({ engine: engine && { ...engine, deviceMemory } }));
    stats.request();
  });
  client.on('failure', (failure) => {
    // What ends the engine is shown by the frame as a state of its own, not as a card.
    if (failure.code !== 'engine-gone') useConnection.setState({ failure });
  });
  client.on('warning', ({ message }) => warn(message));
}

function warn(message: string): void {
  useConnection.setState(({ warnings }) => (warnings.includes(message) ? {} : { warnings: [...warnings, message] }));
}

/** What a batch index refers to; when it changes, all that is known of batches is void. */
function sourceOf(engine: EngineState | null): string {
  if (!engine) return '';
  return JSON.stringify([engine.source, engine.session?.path, engine.checkpoint?.path, engine.layer?.prefix]);
}

/** Forgets all batches and the one selected. */
function startOver(): void {
  clearRun();
  void selectBatch(null);
}

function takeState(engine: EngineState): void {
  const before = useConnection.getState().engine;
  const known = useRun.getState().total;
  useConnection.setState({ engine });
  const anew = sourceOf(before) !== sourceOf(engine) || engine.batches < known;
  if (anew) {
    startOver();
    useSelection.setState({ tensor: null, element: null });
  }
  if (engine.batches > 0 && (anew || engine.source === 'replay')) void fetchNewest(engine.batches);
}

/** The newest rows of a source that was there before this window, or that moved without sending rows (replay). */
async function fetchNewest(total: number): Promise<void> {
  const { epoch, recent } = useRun.getState();
  const last = recent[recent.length - 1]?.index ?? -1;
  if (last >= total - 1) return;
  try {
    for (let first = Math.max(last + 1, total - backfill); first < total; first += pageOfRows) {
      const reply = await ask('batches.rows', { first, count: Math.min(pageOfRows, total - first) });
      if (useRun.getState().epoch !== epoch) return;
      addRows(reply.rows, Math.max(reply.total, useRun.getState().total), 0);
    }
    stats.request();
  } catch {
    // The source changed or the engine went meanwhile; either is shown in its own place, and the next state asks again.
  }
}

/** Fills what events left out under load, the newest first, a page at a time. */
async function fillGaps(): Promise<void> {
  const { epoch, recent } = useRun.getState();
  const gap = newestGap(recent);
  if (!gap) return;
  const first = Math.max(gap.first, gap.last - pageOfRows + 1);
  const reply = await ask('batches.rows', { first, count: gap.last - first + 1 });
  const now = useRun.getState();
  if (now.epoch === epoch && reply.rows.length > 0) addRows(reply.rows, now.total, 0);
}

/** Asks at most every `statsEveryMs`; requests in between are answered by one more at the end. */
const stats = (() => {
  let busy = false;
  let wanted = false;
  let askedAt = Number.NEGATIVE_INFINITY;
  const run = async () => {
    busy = true;
    const done = trackWork();
    const wait = askedAt + statsEveryMs - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    wanted = false;
    askedAt = performance.now();
    const { epoch } = useRun.getState();
    try {
      const reply = await ask('run.stats', {});
      if (useRun.getState().epoch === epoch) useRun.setState({ stats: reply });
      await fillGaps();
    } catch {
      // as above
    } finally {
      busy = false;
      if (wanted) void run();
      done();
    }
  };
  return {
    request: () => {
      if (busy) wanted = true;
      else void run();
    },
  };
})();
