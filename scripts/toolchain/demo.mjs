// The demo checkpoint: one layer of a known model's shape with random weights, made by our own command line, kept in the cache.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, runChild } from './child.mjs';
import { cacheFolder, inRepository } from './places.mjs';
import { ensureWholeFolder } from './whole-folder.mjs';

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

/** Raised when make-checkpoint writes other bytes for this recipe, so that a demo of before is not taken: pictures show its numbers. */
const revision = 2;

/**
 * Makes the demo checkpoint, or finds the one of an earlier run. Needs the native part and the command line built.
 * @param {{ limitS?: number }} options longest time to make it, seconds.
 * @returns {Promise<string>} its folder, absolute.
 * @throws Error with the command's own message when it cannot be made.
 */
export async function ensureDemo({ limitS = 300 } = {}) {
  const { version } = JSON.parse(readFileSync(inRepository('package.json'), 'utf8'));
  const folder = join(cacheFolder(`demo-${revision}`), `demo-${version}-qwen3-30b-a3b-16-experts`);
  return await ensureWholeFolder(folder, async (work) => {
    console.log('making the demo checkpoint (once)');
    const args = [inRepository('electron/cli/bin.mjs'), 'make-checkpoint', ...recipe, '--out', work];
    const result = await runChild(process.execPath, args, { limitS, quiet: true });
    const failure = failureOf(result);
    if (failure)
      throw new Error(`the demo checkpoint was not made: make-checkpoint ${failure}\n${result.output.trim()}`);
  });
}
