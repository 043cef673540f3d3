// Runs the end-to-end specs on one or both hosts; gets the browser, the Electron and the display they need.
// Usage: node scripts/e2e.mjs [web] [electron] [-- arguments for Playwright]
import { join } from 'node:path';
import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { ensureChromium } from './ensure-chromium.mjs';
import { ensureElectron } from './fetch-electron.mjs';
import { readPlaywrightJson } from './suites/results.mjs';
import { failureOf, runChild } from './toolchain/child.mjs';
import { ensureDemo } from './toolchain/demo.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';
import { startDisplay } from './toolchain/display.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { inRepository, temporaryFolder } from './toolchain/places.mjs';

/**
 * Runs the specs on one host. The native part and the bundles must be built.
 * @param {'web' | 'electron'} host
 * @param {{ limitS?: number, args?: string[], env?: object }} options args: passed on to Playwright.
 * @returns {Promise<{ passed: number, failed: number, skipped: number, problem?: string }>} counts from Playwright's JSON
 *   report; `problem` when the run itself went wrong (it crashed, hung, or wrote no report).
 */
export async function runSpecs(host, { limitS = 420, args = [], env = {} } = {}) {
  const report = join(temporaryFolder(), 'report.json');
  const setting = {
    ...process.env,
    ...env,
    MOESCOPE_E2E_CHECKPOINT: await ensureDemo(),
    PLAYWRIGHT_JSON_OUTPUT_FILE: report,
    PLAYWRIGHT_FORCE_TTY: '0',
  };
  let display;
  if (host === 'web') setting.MOESCOPE_E2E_CHROMIUM = (await ensureChromium()).executable;
  else {
    setting.MOESCOPE_E2E_ELECTRON = (await ensureElectron()).executable;
    display = await startDisplay();
    setting.DISPLAY = display.name;
    // A desktop's Wayland session must not be preferred to our own display.
    delete setting.WAYLAND_DISPLAY;
  }
  try {
    const cli = inRepository('node_modules/@playwright/test/cli.js');
    const run = await runChild(
      process.execPath,
      [cli, 'test', `--project=${host}`, `--output=test-results/${host}`, '--reporter=list,json', ...args],
      {
        limitS,
        env: setting,
      },
    );
    return readPlaywrightJson(report, failureOf(run));
  } finally {
    display?.end();
  }
}

async function main() {
  const split = process.argv.indexOf('--');
  const own = process.argv.slice(2, split === -1 ? undefined : split);
  const hosts = own.length === 0 ? ['web', 'electron'] : own;
  const unknown = hosts.filter((host) => host !== 'web' && host !== 'electron');
  if (unknown.length > 0) throw new Error(`unknown host ${unknown.join(', ')}; expected web or electron`);
  await ensureDependencies();
  await buildNative({ tests: true });
  await buildBundles();
  for (const host of hosts) {
    const { passed, failed, skipped, problem } = await runSpecs(host, {
      args: split === -1 ? [] : process.argv.slice(split + 1),
    });
    console.log(`${host}: ${passed} passed, ${failed} failed, ${skipped} skipped${problem ? `; ${problem}` : ''}`);
    if (failed > 0 || problem) process.exitCode = 1;
  }
}

if (isMain(import.meta.url)) await tellAndExit(main);
