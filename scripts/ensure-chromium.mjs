// Gets the browser that the web host's end-to-end tests run in: the distribution's own Chromium.
import { existsSync } from 'node:fs';
import { failureOf, runChild } from './toolchain/child.mjs';
import { ensureDebianPackages, findProgram } from './toolchain/debian.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';

const find = () => findProgram('chromium', 'chromium-browser', 'google-chrome-stable');

/**
 * Path of a Chromium executable: MOESCOPE_CHROMIUM if set, else the system's, installed where we may.
 * @returns {Promise<{ executable: string, version: string }>}
 * @throws Error saying what is missing and what to do.
 */
export async function ensureChromium() {
  const own = process.env.MOESCOPE_CHROMIUM;
  if (own && !existsSync(own)) throw new Error(`MOESCOPE_CHROMIUM names ${own}, which does not exist`);
  if (!own) {
    await ensureDebianPackages('run the window in a browser (or name one in MOESCOPE_CHROMIUM)', [
      { package: 'chromium', present: () => find() !== undefined },
    ]);
  }
  const executable = own ?? find();
  const result = await runChild(executable, ['--version', '--no-sandbox'], { limitS: 60, quiet: true });
  const failure = failureOf(result);
  if (failure) throw new Error(`${executable} --version ${failure}\n${result.output.trim()}`);
  return { executable, version: result.output.trim().split('\n').at(-1) };
}

if (isMain(import.meta.url)) {
  await tellAndExit(async () => {
    const { executable, version } = await ensureChromium();
    console.log(`${version}: ${executable}`);
  });
}
