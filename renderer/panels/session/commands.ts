/** Commands of replay, notes and bookmarks. Opening and recording are commands of the window itself. */
import { argument, needed } from '../../commands/arguments';
import { type Command, registerCommands } from '../../commands/registry';
import { useConnection } from '../../stores/connection';
import { ask } from '../../stores/request';
import { useSelection } from '../../stores/selection';
import { keepNotes, notesOf, useRecordingNotes } from './state';

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

/** The recording that notes go to; null where they go to the open session, which tells them itself. */
function recordingPath(): string | null {
  const state = engine();
  return state?.recording.active && !state.session ? state.recording.path : null;
}

async function annotate(notes: string) {
  const path = recordingPath();
  await ask('session.annotate', { notes });
  if (path !== null) keepNotes(path, { notes });
}

async function bookmark(batch: number, text: string) {
  const path = recordingPath();
  await ask('session.annotate', { bookmark: { batch, text } });
  if (path === null) return;
  const { bookmarks } = notesOf(path, useRecordingNotes.getState());
  keepNotes(path, { bookmarks: [...bookmarks, { batch, text, at: new Date().toISOString() }] });
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
    run: (args) => annotate(needed(argument(args, 'notes', 'string'), 'session.annotate', 'notes')),
  },
  {
    id: 'session.bookmark',
    title: 'Bookmark the selected batch',
    group: 'Session',
    unavailable: () =>
      whyNotAnnotate() ?? (useSelection.getState().batch === null ? 'Select a batch to bookmark.' : null),
    run: (args) =>
      bookmark(
        argument(args, 'batch', 'number') ?? useSelection.getState().batch!,
        argument(args, 'text', 'string') ?? '',
      ),
  },
];

registerCommands(commands);
