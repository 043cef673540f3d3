// The C++ tests: every doctest executable in build/native/test.
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { inRepository, temporaryFolder } from '../toolchain/places.mjs';
import { readDoctestXml } from './results.mjs';

function isExecutable(path) {
  const stat = statSync(path);
  if (!stat.isFile() || (stat.mode & 0o100) === 0) return false;
  const head = Buffer.alloc(4);
  const file = openSync(path, 'r');
  readSync(file, head, 0, 4, 0);
  closeSync(file);
  return head.readUInt32BE(0) === 0x7f454c46;
}

/**
 * Runs the C++ tests that the last build left, one after another.
 * @returns {Promise<import('./results.mjs').Counts>} test cases over all executables.
 */
export async function runNativeTests() {
  const folder = inRepository('build/native/test');
  const programs = (existsSync(folder) ? readdirSync(folder) : [])
    .map((name) => join(folder, name))
    .filter((path) => !path.endsWith('.so') && isExecutable(path));
  const total = { passed: 0, failed: 0, skipped: 0 };
  const problems = [];
  for (const program of programs.sort()) {
    const report = join(temporaryFolder(), 'report.xml');
    const run = await runChild(program, ['--reporters=xml', `--out=${report}`], { limitS: 300 });
    const counts = readDoctestXml(report, failureOf(run));
    const name = program.slice(folder.length + 1);
    console.log(`${name}: ${counts.passed} passed, ${counts.failed} failed (${run.seconds.toFixed(1)} s)`);
    if (counts.failed > 0 || counts.problem) await explain(program);
    if (counts.problem) problems.push(`${name}: ${counts.problem}`);
    total.passed += counts.passed;
    total.failed += counts.failed;
  }
  if (programs.length === 0) problems.push('no C++ test was built');
  return problems.length > 0 ? { ...total, problem: problems.join('; ') } : total;
}

/** The XML report is for us; for people the failing program runs once more with its own words. */
async function explain(program) {
  await runChild(program, ['--no-colors'], { limitS: 300 });
}
