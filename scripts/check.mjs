// What a machine can say about the code without running it: types, lint and format, and the rules of the house.
import { failureOf, runChild } from './toolchain/child.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';

const steps = [
  { name: 'types', args: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'] },
  { name: 'lint and format', args: ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'] },
];

/** Imports, file length, words: see test/architecture. `npm test` runs them with the unit tests instead. */
const houseRules = { name: 'rules of the house', args: ['node_modules/vitest/vitest.mjs', 'run', 'test/architecture'] };

async function run({ name, args }) {
  const result = await runChild(process.execPath, args, { limitS: 180, quiet: true });
  const failure = failureOf(result);
  console.log(`check ${name}: ${failure ?? 'fine'} (${result.seconds.toFixed(1)} s)`);
  if (failure) console.log(result.output.trim());
  return failure === undefined;
}

/** Types, lint and format. @returns {Promise<import('./suites/results.mjs').Counts>} one count a step. */
export async function checkSources() {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const step of steps) counts[(await run(step)) ? 'passed' : 'failed'] += 1;
  return counts;
}

if (isMain(import.meta.url)) {
  await tellAndExit(async () => {
    await ensureDependencies();
    const { failed } = await checkSources();
    const rules = await run(houseRules);
    if (failed > 0 || !rules) process.exitCode = 1;
  });
}
