// `npm test`: on a fresh clone alone it gets what it needs, builds, and runs every suite. Its last line is the count.
// Usage: npm test [-- --only check,native,unit,web,electron]
import { parseArgs } from 'node:util';
import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { checkSources } from './check.mjs';
import { runSpecs } from './e2e.mjs';
import { runNativeTests } from './suites/native.mjs';
import { runVitest } from './suites/vitest.mjs';
import { endAllChildren } from './toolchain/child.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';

/** In the order they run: what fails fast first. `needs` are the builds without which a suite says nothing true. */
const suites = [
  { name: 'check', needs: [], run: checkSources },
  { name: 'native', needs: ['native tests'], run: runNativeTests },
  // Some of these load provider libraries that are built with the C++ tests.
  { name: 'unit', needs: ['native tests', 'bundles'], run: runVitest },
  { name: 'web', needs: ['native tests', 'bundles'], run: () => runSpecs('web') },
  { name: 'electron', needs: ['native tests', 'bundles'], run: () => runSpecs('electron') },
];

const builds = {
  // The cuda provider too: without nvcc one line says that it is left out, and no test needs it.
  'native tests': () => buildNative({ tests: true, cuda: true }),
  bundles: () => buildBundles(),
};
const built = new Map();

/** Builds once; later suites are told of the same failure. */
async function need(name) {
  if (!built.has(name))
    built.set(
      name,
      builds[name]().then(
        () => undefined,
        (error) => error,
      ),
    );
  const failure = await built.get(name);
  if (failure) throw failure;
}

async function runSuite({ name, needs, run }) {
  const started = Date.now();
  console.log(`\n== ${name}`);
  let counts;
  try {
    for (const build of needs) await need(build);
    counts = await run();
  } catch (error) {
    counts = { passed: 0, failed: 0, skipped: 0, problem: process.env.MOESCOPE_DEBUG ? error.stack : error.message };
  }
  if (counts.passed + counts.failed === 0 && !counts.problem) counts.problem = 'no test ran';
  // A suite that could not run, crashed or proved nothing is itself one failure.
  const failed = counts.failed + (counts.problem ? 1 : 0);
  return { ...counts, name, failed, seconds: (Date.now() - started) / 1000 };
}

function chosen() {
  const { values } = parseArgs({ options: { only: { type: 'string' } } });
  if (values.only === undefined) return suites;
  const names = values.only.split(',');
  const unknown = names.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    throw new Error(
      `unknown suite ${unknown.join(', ')}; expected some of ${suites.map(({ name }) => name).join(', ')}`,
    );
  }
  return suites.filter(({ name }) => names.includes(name));
}

async function main() {
  const results = [];
  try {
    const wanted = chosen();
    await ensureDependencies();
    for (const suite of wanted) results.push(await runSuite(suite));
  } catch (error) {
    results.push({ name: 'set-up', passed: 0, failed: 1, skipped: 0, seconds: 0, problem: error.message });
  }
  console.log('\n== summary');
  for (const { name, passed, failed, skipped, seconds, problem } of results) {
    console.log(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds.toFixed(0)} s`);
    if (problem) console.log(problem.replace(/^/gm, '  '));
  }
  const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
  const skipped = total('skipped');
  console.log(`${total('passed')} passed, ${total('failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = total('failed') > 0 ? 1 : 0;
}

await main();
// Nothing we started may keep this process, or the machine it ran on, busy after the count.
endAllChildren();
