// A folder that is there only when it is whole: filled under another name by one process at a time, then renamed.
import { existsSync, renameSync, rmSync } from 'node:fs';
import { withLock } from './lock.mjs';

/**
 * Makes a folder, or finds the one of an earlier run. An interrupted or failed run leaves nothing that looks like it.
 * @param {string} folder absolute; its parent is made. FOLDER.lock and FOLDER.partial stand beside it meanwhile.
 * @param {(work: string) => unknown} fill makes the folder at the path it is given, where nothing is; awaited.
 * @param {{ isWhole?: (folder: string) => boolean, waiting?: () => void, waitS?: number }} options isWhole: whether an earlier one
 *   will do (default: it exists; one that will not do is replaced); waiting, waitS: as withLock takes them.
 * @returns {Promise<string>} `folder`.
 * @throws what `fill` throws, and Error when another live process is at it for longer than waitS.
 */
export async function ensureWholeFolder(folder, fill, { isWhole = existsSync, ...lockOptions } = {}) {
  const work = `${folder}.partial`;
  const make = async () => {
    if (isWhole(folder)) return;
    rmSync(work, { recursive: true, force: true });
    try {
      await fill(work);
      rmSync(folder, { recursive: true, force: true });
      renameSync(work, folder);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };
  await withLock(`${folder}.lock`, make, lockOptions);
  return folder;
}
