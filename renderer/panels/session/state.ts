/** Subject: notes and bookmarks of the recording under way; the engine tells those of a session only once it is open. */
import { create } from 'zustand';
import type { SessionInfo } from '../../../electron/contract/session';

export type Bookmark = SessionInfo['bookmarks'][number];

export interface RecordingNotes {
  /** folder of the recording they belong to */
  path: string;
  notes: string;
  bookmarks: Bookmark[];
}

export const useRecordingNotes = create<RecordingNotes>(() => ({ path: '', notes: '', bookmarks: [] }));

/** What was written into the recording at `path` so far. */
export function notesOf(path: string, kept: RecordingNotes): RecordingNotes {
  return kept.path === path ? kept : { path, notes: '', bookmarks: [] };
}

/** Keeps what the engine has just accepted for the recording at `path`. */
export function keepNotes(path: string, change: Partial<Pick<RecordingNotes, 'notes' | 'bookmarks'>>): void {
  useRecordingNotes.setState((kept) => ({ ...notesOf(path, kept), ...change }));
}
