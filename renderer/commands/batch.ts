/** Commands that move the selection from batch to batch. */
import { AppError } from '../../electron/contract/errors';
import { formatCosine, formatError, formatMicroseconds } from '../format/numbers';
import { notify } from '../frame/notice';
import { useConnection } from '../stores/connection';
import { ask } from '../stores/request';
import { addRows, useRun } from '../stores/run';
import { selectBatch, useSelection } from '../stores/selection';
import { pathNames } from '../theme/palette';
import { argument, needed } from './arguments';
import type { Command } from './registry';

const whyNone = () => (useRun.getState().total > 0 ? null : 'There are no batches yet: run some.');
const whyNotSelected = () => (useSelection.getState().batch === null ? 'No batch is selected.' : null);

/** Why the selected batch cannot be run on the other path; null when it can. */
export function whyNotRerun(): string | null {
  const none = whyNotSelected();
  if (none) return none;
  const { engine } = useConnection.getState();
  if (engine?.source === 'replay') return 'A recorded session runs nothing.';
  if (useSelection.getState().detail?.row.path === 'cutlass') return null;
  const hybrid = engine?.layer?.hybrid;
  if (hybrid && !hybrid.possible) return hybrid.reason;
  return engine?.threshold.tokens === 0 ? 'The threshold is 0, so no CUTLASS scales were prepared.' : null;
}

function move(by: number) {
  const { total } = useRun.getState();
  const { batch } = useSelection.getState();
  const next = batch === null ? total - 1 : Math.min(total - 1, Math.max(0, batch + by));
  return selectBatch(next);
}

async function nearestOther() {
  const reply = await ask('batch.nearestOther', { batch: useSelection.getState().batch! });
  if (reply.batch === null) notify('Every batch here took the same path.');
  else await selectBatch(reply.batch);
  return reply.batch;
}

async function rerunOther() {
  const { detail } = useSelection.getState();
  if (!detail) throw new AppError({ code: 'wrong-state', message: 'The batch is not loaded yet.' });
  const { index, path } = detail.row;
  const other = path === 'cutlass' ? 'b12x' : 'cutlass';
  const params = { batch: index, path: other } as const;
  const reply = await ask('batch.rerun', params, { label: `Running batch ${index} on ${pathNames[other]}` });
  notify(
    `Batch ${index} on ${pathNames[other]}: ${formatMicroseconds(reply.microseconds)}, NRMSE ${formatError(reply.nrmse)}, ` +
      `cosine ${formatCosine(reply.cosine)}${reply.identical ? ', bit-identical' : ''}`,
  );
  const { rows, total } = await ask('batches.rows', { first: index, count: 1 });
  addRows(rows, total, 0);
  await selectBatch(index, { reload: true });
  return reply;
}

export const batchCommands: Command[] = [
  {
    id: 'batch.select',
    title: 'Select a batch',
    group: 'Batch',
    hidden: true,
    run: (args) => selectBatch(needed(argument(args, 'batch', 'number'), 'batch.select', 'batch')),
  },
  {
    id: 'batch.none',
    title: 'Select no batch',
    group: 'Batch',
    shortcut: 'Escape',
    unavailable: whyNotSelected,
    run: () => selectBatch(null),
  },
  {
    id: 'batch.previous',
    title: 'Previous batch',
    group: 'Batch',
    shortcut: '[',
    unavailable: whyNone,
    run: () => move(-1),
  },
  { id: 'batch.next', title: 'Next batch', group: 'Batch', shortcut: ']', unavailable: whyNone, run: () => move(1) },
  {
    id: 'batch.newest',
    title: 'Newest batch',
    group: 'Batch',
    shortcut: 'End',
    unavailable: whyNone,
    run: () => selectBatch(useRun.getState().total - 1),
  },
  {
    id: 'batch.nearestOther',
    title: 'Nearest batch that took the other path',
    group: 'Batch',
    shortcut: 'O',
    unavailable: whyNotSelected,
    run: nearestOther,
  },
  {
    id: 'batch.rerunOther',
    title: 'Run this batch again on the other path',
    group: 'Batch',
    shortcut: 'R',
    unavailable: whyNotRerun,
    run: rerunOther,
  },
];
