/** Files that are whole or absent: temporary name, every byte written, fsync, rename, fsync of the folder. */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError } from '../checkpoint/file-errors';

/** Where bytes go: the part of a FileHandle that is used, so that tests can give one that fails. */
export interface ByteSink {
  write(bytes: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
}

/** Writes all of `bytes` at `position`; one write call may take fewer bytes than it was given. */
export async function writeFully(sink: ByteSink, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await sink.write(bytes, done, bytes.length - done, position + done);
    if (bytesWritten === 0) throw Object.assign(new Error('no space left'), { code: 'ENOSPC', syscall: 'write' });
    done += bytesWritten;
  }
}

/** Makes a rename or a new name last through a power cut. Not every file system lets a folder be synced. */
export async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle | undefined;
  try {
    folder = await open(path, 'r');
    await folder.sync();
  } catch {
    // The rename itself is atomic; only its time of arrival on disk is then up to the file system.
  } finally {
    await folder?.close();
  }
}

/**
 * Writes a file through a temporary one. `fill` gets an append function and returns the final path (which may depend on
 * what was written); null leaves nothing behind. Throws what `fileError` makes of a failure.
 */
export async function writeDurably(
  near: string,
  fill: (append: (bytes: Uint8Array) => Promise<void>) => Promise<string | null>,
): Promise<void> {
  const temporary = `${near}.${randomBytes(6).toString('hex')}.tmp`;
  let file: FileHandle | undefined;
  try {
    file = await open(temporary, 'wx');
    const sink = file;
    let position = 0;
    const final = await fill(async (bytes) => {
      await writeFully(sink, bytes, position);
      position += bytes.length;
    });
    if (final !== null) await file.sync();
    await file.close();
    file = undefined;
    if (final === null) {
      await unlink(temporary);
      return;
    }
    await rename(temporary, final);
    await syncFolder(dirname(final));
  } catch (thrown) {
    await file?.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
    throw fileError(thrown, near);
  }
}
