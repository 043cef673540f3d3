/** Commands that drive the engine: start, pause, step, threshold, workload. */
import { WorkloadSchema } from '../../electron/contract/session';
import { useWorkloadDialog } from '../frame/workload-dialog';
import { useConnection } from '../stores/connection';
import { ask } from '../stores/request';
import { selectBatch } from '../stores/selection';
import { argument, needed } from './arguments';
import type { Command } from './registry';

const engine = () => useConnection.getState().engine;

/** Why nothing can be run now; null when it can. */
export function whyNotRun(): string | null {
  const { link, engine: state } = useConnection.getState();
  if (link.status !== 'open') return 'The engine is not there.';
  if (!state?.layer) return 'No layer is loaded: open a checkpoint or a session first.';
  return null;
}

function whyNotLive(): string | null {
  return whyNotRun() ?? (engine()?.source === 'replay' ? 'A recorded session is open; nothing is run in it.' : null);
}

const start = async () => {
  if (engine()?.source === 'replay') await ask('session.play', { rate: 1 });
  else await ask('run.start', {});
};

export const runCommands: Command[] = [
  {
    id: 'run.start',
    title: 'Run',
    group: 'Run',
    unavailable: () => whyNotRun() ?? (engine()?.state === 'running' ? 'It is running already.' : null),
    run: start,
  },
  {
    id: 'run.pause',
    title: 'Pause',
    group: 'Run',
    unavailable: whyNotRun,
    run: () => ask('run.pause', {}),
  },
  {
    id: 'run.toggle',
    title: 'Run or pause',
    group: 'Run',
    shortcut: 'Space',
    unavailable: whyNotRun,
    run: () => (engine()?.state === 'running' ? ask('run.pause', {}) : start()),
  },
  {
    id: 'run.step',
    title: 'Run one batch',
    group: 'Run',
    shortcut: 'S',
    unavailable: whyNotLive,
    run: async (args) => {
      const tokens = argument(args, 'tokens', 'number');
      const row = await ask('run.step', tokens === undefined ? {} : { tokens }, { label: 'Running one batch' });
      await selectBatch(row.index);
      return row;
    },
  },
  {
    id: 'run.reset',
    title: 'Forget all batches and start again',
    group: 'Run',
    unavailable: whyNotLive,
    run: () => ask('run.reset', {}),
  },
  {
    id: 'run.threshold',
    title: 'Set the CUTLASS prefill threshold',
    group: 'Run',
    hidden: true,
    unavailable: whyNotLive,
    run: (args) =>
      ask('run.threshold', { tokens: needed(argument(args, 'tokens', 'number'), 'run.threshold', 'tokens') }),
  },
  {
    id: 'run.editWorkload',
    title: 'Workload...',
    group: 'Run',
    shortcut: 'W',
    unavailable: whyNotLive,
    run: () => useWorkloadDialog.setState({ open: true }),
  },
  {
    id: 'run.workload',
    title: 'Change the workload',
    group: 'Run',
    hidden: true,
    unavailable: whyNotLive,
    run: (args) => ask('run.workload', WorkloadSchema.partial().parse(args)),
  },
];
