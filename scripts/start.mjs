// `npm start [-- CHECKPOINT]`: on a fresh clone alone it gets the packages, builds, makes the demo checkpoint and shows it
// at work: in Electron where its binary can be had and there is a display, else in a browser at the address it prints.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { ensureDemo } from './toolchain/demo.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';
import { tellAndExit } from './toolchain/entry.mjs';
import { inRepository, repository } from './toolchain/places.mjs';
import { findProductElectron, hasDisplay } from './toolchain/product-electron.mjs';

/** What to open: the folder given, as the caller's shell sees it, or nothing for the demo. */
function given() {
  const [path, ...rest] = process.argv.slice(2);
  if (path === undefined) return undefined;
  if (rest.length > 0 || path.startsWith('-')) {
    throw new Error('usage: npm start [-- CHECKPOINT_OR_SESSION]; for options use: npm run moescope -- serve --help');
  }
  // npm runs scripts in the repository; INIT_CWD is where the user typed the command.
  const folder = resolve(process.env.INIT_CWD ?? process.cwd(), path);
  if (!existsSync(folder))
    throw new Error(`${folder} does not exist; give the folder of a checkpoint or a recorded session`);
  return folder;
}

/** A child that does not end itself after being asked is ended this many milliseconds later. */
const patienceMs = 5000;

/**
 * Runs a program in the foreground: the terminal is its own, and Ctrl-C or a signal to this process ends it.
 * @returns {Promise<number>} its exit code; 128 + the signal's number when a signal ended it, as shells count.
 */
function foreground(program, args) {
  const child = spawn(program, args, { cwd: repository, stdio: ['ignore', 'inherit', 'inherit'] });
  const pass = (signal) => {
    child.kill(signal);
    setTimeout(() => child.kill('SIGKILL'), patienceMs).unref();
  };
  // In place of the handlers for building, which exit at once: here the child's own goodbye is waited for.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal).on(signal, pass);
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('exit', (code, signal) => done(signal === null ? code : 128 + constants.signals[signal]));
  });
}

await tellAndExit(async () => {
  const wanted = given();
  await ensureDependencies();
  await buildNative();
  await buildBundles();
  const open = wanted ?? (await ensureDemo());
  // The demo shows both paths; by default the threshold is 0, which is pure b12x. An environment that sets it is heard.
  const options =
    wanted === undefined && !process.env.VLLM_FLASHINFER_B12X_CUTLASS_PREFILL_THRESHOLD ? ['--threshold', '64'] : [];

  const { executable, why } = hasDisplay() ? await findProductElectron() : { why: 'there is no display' };
  if (executable) {
    // Chromium's sandbox refuses to start for root.
    const switches = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    process.exitCode = await foreground(executable, [...switches, repository, open, ...options]);
    return;
  }
  console.log(`no Electron window: ${why}; the same window is served to a browser`);
  process.exitCode = await foreground(process.execPath, [
    inRepository('electron/cli/bin.mjs'),
    'serve',
    open,
    ...options,
  ]);
});
