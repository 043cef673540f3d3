// torch for the CPU comparison: what python3 has, or else a CPU build in the cache folder.
import { join } from 'node:path';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { cacheFolder } from '../toolchain/places.mjs';
import { ensureWholeFolder } from '../toolchain/whole-folder.mjs';

/** Pinned by version only: there is a wheel for each Python. "+cpu": a build without the gigabytes of CUDA. */
export const pinnedTorch = ['torch==2.13.0+cpu', 'numpy==2.3.5'];

const imports = async (env) =>
  !failureOf(await runChild('python3', ['-c', 'import torch'], { limitS: 120, quiet: true, env }));

/**
 * @returns {Promise<object>} the environment in which python3 can import torch.
 * @throws Error with pip's words when there is none and none can be had.
 */
export async function ensureTorch() {
  if (await imports(process.env)) return process.env;
  const folder = join(cacheFolder('peers'), pinnedTorch[0].replace('==', '-'));
  await ensureWholeFolder(folder, async (work) => {
    console.log(`fetching ${pinnedTorch[0]} (200 MB) into ${folder}`);
    const pip = ['-m', 'pip', 'install', '--quiet', '--target', work, ...pinnedTorch];
    const result = await runChild('python3', pip, { limitS: 900, quiet: true });
    const failure = failureOf(result);
    if (failure) throw new Error(`fetching torch: pip ${failure}\n${result.output.trim()}`);
  });
  return { ...process.env, PYTHONPATH: folder };
}
