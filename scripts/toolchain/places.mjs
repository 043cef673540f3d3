// Where things live: the repository, the cache outside it, and what a build leaves behind.
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the repository. */
export const repository = resolve(fileURLToPath(new URL('../..', import.meta.url)));

/** Joins a path inside the repository. */
export const inRepository = (...parts) => join(repository, ...parts);

/**
 * The folder for things that are expensive to get and safe to delete: the Electron test tree, demo checkpoints.
 * XDG_CACHE_HOME if set, else ~/.cache; always outside the repository. Made on first use.
 * @throws Error naming the folder when it cannot be made or written.
 */
export function cacheFolder(...parts) {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'moescope', ...parts);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new Error(
      `cannot write the cache folder ${folder} (${error.code}); set XDG_CACHE_HOME to a folder you can write`,
    );
  }
  return folder;
}

let ownTemporary;

/** A new empty folder for logs and reports, removed when this process ends. */
export function temporaryFolder() {
  if (ownTemporary === undefined) {
    ownTemporary = mkdtempSync(join(tmpdir(), 'moescope-'));
    process.once('exit', () => rmSync(ownTemporary, { recursive: true, force: true }));
  }
  return mkdtempSync(join(ownTemporary, 'run-'));
}
