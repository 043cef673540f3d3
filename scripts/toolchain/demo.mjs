// The demo checkpoint: one layer of a known model's shape with random weights, made by our own command line, kept in the cache.
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, runChild } from './child.mjs';
import { withLock } from './lock.mjs';
import { cacheFolder, inRepository } from './places.mjs';

const recipe = [
  '--shape',
  'qwen3-30b-a3b',
  '--experts',
  '16',
  '--layers',
  '1',
  '--scales',
  'power-of-two',
  '--seed',
  '1',
];

/**
 * Makes the demo checkpoint, or finds the one of an earlier run. Needs the native part and the command line built.
 * @param {{ limitS?: number }} options longest time to make it, seconds.
 * @returns {Promise<string>} its folder, absolute.
 * @throws Error with the command's own message when it cannot be made.
 */
export async function ensureDemo({ limitS = 300 } = {}) {
  const { version } = JSON.parse(readFileSync(inRepository('package.json'), 'utf8'));
  const name = `demo-${version}-qwen3-30b-a3b-16-experts`;
  const folder = join(cacheFolder(), name);
  await withLock(`${cacheFolder('locks')}/${name}`, async () => {
    // The folder gets its name only when it is whole, so an interrupted run leaves no half checkpoint behind.
    if (existsSync(folder)) return;
    const work = join(cacheFolder(), `${name}.partial`);
    rmSync(work, { recursive: true, force: true });
    console.log('making the demo checkpoint (once)');
    const args = [inRepository('electron/cli/bin.mjs'), 'make-checkpoint', ...recipe, '--out', work];
    const result = await runChild(process.execPath, args, { limitS, quiet: true });
    const failure = failureOf(result);
    if (failure)
      throw new Error(`the demo checkpoint was not made: make-checkpoint ${failure}\n${result.output.trim()}`);
    renameSync(work, folder);
  });
  return folder;
}
