/** Commands about what is looked at: checkpoint, layer, session, recording, the engine itself. */
import { contracts } from '../../electron/contract/layer';
import { notify } from '../frame/notice';
import { askPath } from '../frame/path-dialog';
import { useConnection } from '../stores/connection';
import { ask } from '../stores/request';
import { argument } from './arguments';
import { cliCommand } from './cli';
import { copyText } from './clipboard';
import type { Command } from './registry';
import { restartEngine } from './restart';

const state = () => useConnection.getState();
const whyNoEngine = () => (state().link.status === 'open' ? null : 'The engine is not there.');

async function pathFrom(args: unknown, title: string): Promise<string | null> {
  return argument(args, 'path', 'string') ?? (await pickFolder(title));
}

async function pickFolder(title: string): Promise<string | null> {
  const { client } = state();
  return client ? client.shell.pickFolder(title) : null;
}

async function openCheckpoint(args: unknown) {
  const path = await pathFrom(args, 'Open a checkpoint folder');
  if (path === null) return null;
  const summary = await ask('checkpoint.open', { path }, { label: `Opening ${path}` });
  const first = summary.layers.find(({ kind, quantization }) => kind === 'moe' && quantization === 'nvfp4');
  if (first) await ask('layer.load', { layer: first.index }, { label: `Loading layer ${first.index}` });
  return summary;
}

function loadLayer(args: unknown) {
  const layer = argument(args, 'layer', 'number');
  const contract = contracts.find((known) => known === argument(args, 'contract', 'string'));
  const provider = argument(args, 'provider', 'string');
  const rules = argument(args, 'rules', 'string');
  const loaded = state().engine?.layer;
  const params = {
    ...(layer !== undefined ? { layer } : loaded ? { layer: loaded.index } : {}),
    ...(contract && { contract }),
    ...(provider !== undefined && { provider }),
    ...(rules !== undefined && { rules }),
  };
  return ask('layer.load', params, { label: `Loading layer ${params.layer ?? ''}`.trim() });
}

async function record(args: unknown) {
  // A recording is a new folder, so there is nothing to pick: the path is typed on every host.
  const path = argument(args, 'path', 'string') ?? (await askPath('Record to a new folder (name.moesession)'));
  if (path === null) return null;
  return ask('session.record', { path, taps: argument(args, 'taps', 'boolean') ?? true });
}

export const sourceCommands: Command[] = [
  {
    id: 'checkpoint.open',
    title: 'Open checkpoint...',
    group: 'Open',
    shortcut: 'Ctrl+O',
    unavailable: whyNoEngine,
    run: openCheckpoint,
  },
  {
    id: 'layer.load',
    title: 'Load a layer',
    group: 'Open',
    hidden: true,
    unavailable: () => (state().engine?.checkpoint ? null : 'No checkpoint is open.'),
    run: loadLayer,
  },
  {
    id: 'session.open',
    title: 'Open session...',
    group: 'Open',
    shortcut: 'Ctrl+Shift+O',
    unavailable: whyNoEngine,
    run: async (args) => {
      const path = await pathFrom(args, 'Open a session folder (name.moesession)');
      return path === null ? null : ask('session.open', { path }, { label: `Opening ${path}` });
    },
  },
  {
    id: 'session.close',
    title: 'Close session',
    group: 'Open',
    unavailable: () => (state().engine?.session ? null : 'No session is open.'),
    run: () => ask('session.close', {}),
  },
  {
    id: 'session.record',
    title: 'Record to...',
    group: 'Record',
    unavailable: () =>
      whyNoEngine() ??
      (state().engine?.source !== 'live' ? 'Only a live layer can be recorded.' : null) ??
      (state().engine?.recording.active ? 'Already recording.' : null),
    run: record,
  },
  {
    id: 'session.stopRecording',
    title: 'Stop recording',
    group: 'Record',
    unavailable: () => (state().engine?.recording.active ? null : 'Nothing is being recorded.'),
    run: () => ask('session.stopRecording', {}, { label: 'Closing the recording' }),
  },
  {
    id: 'engine.restart',
    title: 'Restart engine',
    group: 'Engine',
    unavailable: () => (state().client ? null : 'The window has no engine yet.'),
    run: restartEngine,
  },
  {
    id: 'cli.copy',
    title: 'Copy as CLI command',
    group: 'Copy',
    unavailable: () => (cliCommand(state().engine) ? null : 'Nothing is open that a command could name.'),
    run: async () => {
      const command = cliCommand(state().engine) ?? '';
      await copyText(command);
      notify(`Copied: ${command}`);
      return command;
    },
  },
];
