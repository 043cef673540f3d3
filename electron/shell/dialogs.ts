/** Native dialogs, on the window that asks. */
import { basename } from 'node:path';
import type { BrowserWindow, Dialog } from 'electron';
import { AppError } from '../contract/errors';
import { writeFileAtomically } from './atomic-file';

/** Largest export that is written, bytes: a picture or a table, not a tensor. */
const largestFile = 64 * 1024 * 1024;

/** Path of a folder, null when the user gave up. */
export async function pickFolder(
  dialog: Pick<Dialog, 'showOpenDialog'>,
  window: BrowserWindow,
  title: string,
): Promise<string | null> {
  const { canceled, filePaths } = await dialog.showOpenDialog(window, { title, properties: ['openDirectory'] });
  return canceled ? null : (filePaths[0] ?? null);
}

/**
 * Asks where to and writes. Only the last part of the proposed name is used.
 * @throws AppError `usage` for something that is no bytes or too many, `file-unreadable` when it cannot be written.
 */
export async function saveFile(
  dialog: Pick<Dialog, 'showSaveDialog'>,
  window: BrowserWindow,
  name: string,
  bytes: unknown,
): Promise<string | null> {
  if (!(bytes instanceof Uint8Array) || bytes.byteLength > largestFile) {
    throw new AppError({
      code: 'usage',
      message: `${name} cannot be saved.`,
      expected: `at most ${largestFile} bytes`,
      found: bytes instanceof Uint8Array ? `${bytes.byteLength} bytes` : typeof bytes,
    });
  }
  const { canceled, filePath } = await dialog.showSaveDialog(window, { defaultPath: basename(name) });
  if (canceled || filePath === undefined || filePath === '') return null;
  try {
    writeFileAtomically(filePath, bytes);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    throw new AppError({
      code: code === 'ENOSPC' ? 'disk-full' : 'file-unreadable',
      message: `${filePath} could not be written: ${message}`,
      subject: filePath,
      remedy: 'Choose another place.',
    });
  }
  return filePath;
}
