import { basename } from 'node:path';
import type { SessionInfo } from '../../contract/session';
import type { Manifest } from './manifest';

/** What the window shows of a session, from its manifest and what was found when it was opened. */
export function infoOf(path: string, manifest: Manifest, integrity: SessionInfo['integrity']): SessionInfo {
  const {
    format,
    tool,
    createdAt,
    device,
    checkpoint,
    layer,
    threshold,
    batches,
    blobs,
    blobBytes,
    eventBytes,
    taps,
    notes,
    bookmarks,
  } = manifest;
  return {
    path,
    name: basename(path),
    format,
    tool,
    createdAt,
    device,
    checkpoint,
    layer,
    threshold,
    batches,
    blobs,
    blobBytes,
    eventBytes,
    taps,
    notes,
    bookmarks,
    integrity,
  };
}
