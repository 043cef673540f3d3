// Unit, contract and architecture tests.
import { join } from 'node:path';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { inRepository, temporaryFolder } from '../toolchain/places.mjs';
import { readVitestJson } from './results.mjs';

/** @returns {Promise<import('./results.mjs').Counts>} */
export async function runVitest() {
  const report = join(temporaryFolder(), 'report.json');
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const vitest = inRepository('node_modules/vitest/vitest.mjs');
  const run = await runChild(process.execPath, [vitest, ...args], { limitS: 300 });
  return readVitestJson(report, failureOf(run));
}
