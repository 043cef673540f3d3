// A display of our own for Electron: always the same size and depth, whatever the desktop is.
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startChild } from './child.mjs';
import { ensureDebianPackages, findProgram } from './debian.mjs';
import { temporaryFolder } from './places.mjs';

/** Wide enough for the tests' window (1440 x 900), 24 bits as the pixel baselines were taken. */
const screen = '1600x1000x24';

/**
 * Starts Xvfb on a free display number.
 * @returns {Promise<{ name: string, end: () => void }>} name: for DISPLAY.
 * @throws Error with Xvfb's last words when it does not come up in 20 s.
 */
export async function startDisplay() {
  await ensureDebianPackages('give Electron a display', [
    { package: 'xvfb', present: () => findProgram('Xvfb') !== undefined },
  ]);
  const folder = temporaryFolder();
  const numberFile = join(folder, 'number');
  const log = join(folder, 'log');
  const [numberOut, logOut] = [openSync(numberFile, 'w'), openSync(log, 'w')];
  const args = ['-displayfd', '3', '-screen', '0', screen, '-nolisten', 'tcp', '-noreset'];
  const { child, end } = startChild('Xvfb', args, { stdio: ['ignore', logOut, logOut, numberOut] });
  closeSync(numberOut);
  closeSync(logOut);
  let gone = false;
  child.once('exit', () => {
    gone = true;
  });
  for (
    const until = Date.now() + 20_000;
    Date.now() < until && !gone;
    await new Promise((done) => setTimeout(done, 50))
  ) {
    const number = readFileSync(numberFile, 'utf8').trim();
    if (number) return { name: `:${number}`, end };
  }
  const words = readFileSync(log, 'utf8').trim().split('\n').slice(-3).join('\n');
  end();
  throw new Error(`Xvfb did not start (${gone ? 'it ended' : 'no display after 20 s'})\n${words}`);
}
