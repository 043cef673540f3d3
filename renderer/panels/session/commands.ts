/** Commands of replay, notes and bookmarks. Opening and recording are commands of the window itself. */
import { argument, needed } from '../../commands/arguments';
import { type Command, registerCommands } from '../../commands/registry';
import { useConnection } from '../../stores/connection';
import { ask } from '../../stores/request';
import { useSelection } from '../../stores/selection';

const engine = () => useConnection.getState().engine;
const whyNotReplay = () => (engine()?.source === 'replay' ? null : 'No recorded session is open.');

/** Why notes and bookmarks have no place to go; null when they have. */
export function whyNotAnnotate(): string | null {
  const state = engine();
  if (state?.session || state?.recording.active) return null;
  return 'Notes and bookmarks belong to a session: record one or open one.';
}

let seeking: AbortController | null = null;

/** Moves the replay so that `batch` is the last one visible; a newer move cancels the older. */
export function seek(batch: number) {
  seeking?.abort();
  seeking = new AbortController();
  return ask('session.seek', { batch }, { signal: seeking.signal });
}

const commands: Command[] = [
  {
    id: 'session.seek',
    title: 'Go to a batch of the recording',
    group: 'Session',
    hidden: true,
    unavailable: whyNotReplay,
    run: (args) => seek(needed(argument(args, 'batch', 'number'), 'session.seek', 'batch')),
  },
  {
    id: 'session.play',
    title: 'Play the recording',
    group: 'Session',
    unavailable: whyNotReplay,
    run: (args) => ask('session.play', { rate: argument(args, 'rate', 'number') ?? 1 }),
  },
  {
    id: 'session.annotate',
    title: 'Save the notes',
    group: 'Session',
    hidden: true,
    unavailable: whyNotAnnotate,
    run: (args) =>
      ask('session.annotate', { notes: needed(argument(args, 'notes', 'string'), 'session.annotate', 'notes') }),
  },
  {
    id: 'session.bookmark',
    title: 'Bookmark the selected batch',
    group: 'Session',
    unavailable: () =>
      whyNotAnnotate() ?? (useSelection.getState().batch === null ? 'Select a batch to bookmark.' : null),
    run: (args) => {
      const batch = argument(args, 'batch', 'number') ?? useSelection.getState().batch!;
      return ask('session.annotate', { bookmark: { batch, text: argument(args, 'text', 'string') ?? '' } });
    },
  },
];

registerCommands(commands);
