// Fetches Humming, a peer of the GPU comparison, outside the repository: kernels for quantised weights that are compiled where
// they run (scripts/bench/gpu/humming_w4a16.py calls them). Licence: Apache-2.0.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { cacheFolder } from '../toolchain/places.mjs';
import { ensureWholeFolder } from '../toolchain/whole-folder.mjs';

/** The pin: wheels as PyPI serves them for Linux on x86-64. Its other dependencies come with torch. */
export const pinnedHumming = {
  version: '0.1.19',
  requirements: [
    'humming-kernels==0.1.19 --hash=sha256:16ad0c8e9c2d5a8db739bdb97bcc510cedc9dc4c4c111098cbb2d7ac9c1dd973',
    'packaging==26.3 --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c',
  ],
};

/**
 * @returns {Promise<string>} the folder to give to scripts/bench/gpu/run.py --humming.
 * @throws Error with pip's words when the wheels cannot be had or are not the pinned ones.
 */
export async function ensureHumming() {
  const folder = join(cacheFolder('peers'), `humming-${pinnedHumming.version}`);
  return await ensureWholeFolder(folder, async (work) => {
    mkdirSync(work);
    const list = join(work, 'requirements.txt');
    writeFileSync(list, `${pinnedHumming.requirements.join('\n')}\n`);
    console.log(`fetching Humming (1 MB from PyPI) into ${folder}`);
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--require-hashes', '--target', work, '-r', list];
    const result = await runChild('python3', pip, { limitS: 300, quiet: true });
    const failure = failureOf(result);
    if (failure) throw new Error(`fetching Humming: pip ${failure}\n${result.output.trim()}`);
  });
}
