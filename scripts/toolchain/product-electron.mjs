// The Electron that the app ships on (npm's `electron`): its binary is fetched on first use from outside the registries.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.mjs';
import { inRepository } from './places.mjs';

/** Long enough for 120 MB on a good line, short enough for somebody who waits and has a browser to fall back on. */
const patienceS = 90;

const home = inRepository('node_modules/electron');

function installed() {
  const note = join(home, 'path.txt');
  if (!existsSync(note)) return undefined;
  const executable = join(home, 'dist', readFileSync(note, 'utf8').trim());
  return existsSync(executable) ? executable : undefined;
}

/** Whether a window can be shown: on Linux that takes a display, elsewhere there always is one. */
export function hasDisplay() {
  return process.platform !== 'linux' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
}

/**
 * The Electron executable to open the window with: MOESCOPE_ELECTRON, or npm's, which is downloaded if that can be done soon.
 * @returns {Promise<{ executable?: string, why?: string }>} `why` says in words why there is none.
 */
export async function findProductElectron() {
  const own = process.env.MOESCOPE_ELECTRON;
  if (own)
    return existsSync(own) ? { executable: own } : { why: `MOESCOPE_ELECTRON names ${own}, which does not exist` };
  if (!existsSync(join(home, 'install.js'))) return { why: 'npm package electron is not installed' };
  if (!installed()) {
    console.log(`getting Electron (at most ${patienceS} s)`);
    await runChild(process.execPath, [join(home, 'install.js')], { limitS: patienceS, quiet: true });
  }
  const executable = installed();
  return executable ? { executable } : { why: 'the Electron binary could not be downloaded' };
}
