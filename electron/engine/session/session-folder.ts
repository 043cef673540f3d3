/** The folder of a new session: its name, and that nothing is overwritten. */
import { mkdir, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { AppError } from '../../contract/errors';
import { expectFolderFor, fileError } from '../checkpoint/file-errors';
import { sessionExtension } from './files';

function checkName(path: string): void {
  if (path.endsWith(sessionExtension)) return;
  throw new AppError({
    code: 'bad-option',
    message: 'A session is a folder whose name ends in .moesession.',
    subject: 'path',
    expected: `name${sessionExtension}`,
    found: basename(path),
  });
}

function exists(path: string): AppError {
  return new AppError({
    code: 'bad-option',
    message: `${path} exists already; a recording never overwrites another.`,
    subject: path,
    remedy: 'Choose another name.',
  });
}

/** @throws AppError `bad-option` for a name without `.moesession` or a folder that exists, `file-not-found`, `file-unreadable`, `disk-full`. */
export async function makeSessionFolder(path: string): Promise<void> {
  checkName(path);
  await expectFolderFor(path);
  try {
    await mkdir(path, { recursive: false });
  } catch (thrown) {
    throw (thrown as { code?: string }).code === 'EEXIST' ? exists(path) : fileError(thrown, path);
  }
}

/** What `makeSessionFolder` would refuse, asked before a layer is loaded for it. @throws as that. */
export async function checkSessionFolder(path: string): Promise<void> {
  checkName(path);
  await expectFolderFor(path);
  if (await stat(path).catch(() => null)) throw exists(path);
}
