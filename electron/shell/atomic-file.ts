import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

/** Writes a file whole or not at all: beside it, synced, renamed over it. @throws the file system's error. */
export function writeFileAtomically(path: string, content: Uint8Array): void {
  const beside = `${path}.${process.pid}.tmp`;
  const file = openSync(beside, 'w', 0o600);
  try {
    for (let written = 0; written < content.byteLength; ) written += writeSync(file, content, written);
    fsyncSync(file);
  } catch (error) {
    closeSync(file);
    rmSync(beside, { force: true });
    throw error;
  }
  closeSync(file);
  renameSync(beside, path);
}
