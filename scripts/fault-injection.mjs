// Fault injection: plants each cause alone and in pairs in random layers and asks the diagnoser; writes docs/fault-injection.json
// and docs/fault-injection.md. Usage: node scripts/fault-injection.mjs [--seed N] [--singles N] [--pairs N] [--clean N]
// --singles and --pairs: cases of each cause (pair) and shape; --clean: clean layers over all shapes.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { shapes } from './faults/layers.mjs';
import { diagnosed, plantedCase } from './faults/plant.mjs';
import { randomNumbers } from './faults/random.mjs';
import { studyText } from './faults/report.mjs';
import { tellAndExit } from './toolchain/entry.mjs';
import { inRepository } from './toolchain/places.mjs';

export const causes = [
  'sf-rerounding',
  'sf-underflow',
  'unit-activation-scale',
  'requantization',
  'reciprocal-approximation',
  'bf16-between-stages',
  'accumulation-order',
  'router-weight-rounding',
  'gate-up-order',
  'wrong-layout',
  'divider-multiplier',
  'double-multiplication',
  'padding',
  'nibble-order',
];

/** A case's seed is its place: any one of them can be run again by itself. */
const seedOf = (seed, kind, number) => (seed * 1000003 + kind * 100003 + number) >>> 0;

async function runCase(binding, shapeName, planted, seed, views) {
  const numbers = randomNumbers(seed);
  const made = await plantedCase(binding, shapes[shapeName], planted, numbers);
  if (!made) return { shape: shapeName, planted, seed, impossible: true };
  const named = {};
  for (const view of views) named[view] = (await diagnosed(binding, made, view, numbers.seed())).ranked;
  const { contract, model } = made.request;
  return {
    ...{ shape: shapeName, planted, seed, named, redrawn: made.redrawn },
    pipeline: `${contract} ${model.kernel}`,
    tokens: made.request.tokens,
    deviations: made.deviations.map(({ cause, site, variant }) => `${cause}/fc${site + 1}/${variant}`),
  };
}

await tellAndExit(async () => {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      singles: { type: 'string', default: '6' },
      pairs: { type: 'string', default: '1' },
      clean: { type: 'string', default: '200' },
      output: { type: 'string', default: inRepository('docs', 'fault-injection') },
    },
  });
  const seed = Number(values.seed);
  const binding = createRequire(import.meta.url)(
    process.env.MOESCOPE_ADDON ?? inRepository('build', 'native', 'moescope.node'),
  );
  const started = Date.now();
  const cases = { singles: [], pairs: [], clean: [] };
  const names = Object.keys(shapes);
  const say = (what, list) =>
    console.log(`${what}: ${list.length} cases, ${((Date.now() - started) / 1000).toFixed(0)} s`);

  for (let i = 0; i < Number(values.clean); i++)
    cases.clean.push(await runCase(binding, names[i % names.length], [], seedOf(seed, 0, i), ['taps', 'output']));
  say('clean', cases.clean);
  let number = 0;
  for (const cause of causes)
    for (const name of names)
      for (let i = 0; i < Number(values.singles); i++) {
        const made = await runCase(binding, name, [cause], seedOf(seed, 1, number++), ['taps', 'output']);
        cases.singles.push(made);
        if (made.impossible) break;
      }
  say('singles', cases.singles);
  number = 0;
  for (let a = 0; a < causes.length; a++)
    for (let b = a + 1; b < causes.length; b++)
      for (const name of names)
        for (let i = 0; i < Number(values.pairs); i++) {
          const made = await runCase(binding, name, [causes[a], causes[b]], seedOf(seed, 2, number++), [
            'taps',
            'output',
          ]);
          cases.pairs.push(made);
          if (made.impossible) break;
        }
  say('pairs', cases.pairs);

  const study = {
    seed,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: inRepository() }).toString().trim(),
    machine: `${cpus()[0].model}, ${cpus().length} threads, ${binding.info().activeSimd}`,
    date: new Date().toISOString().slice(0, 10),
    seconds: Math.round((Date.now() - started) / 1000),
    causes,
    shapes,
    ...cases,
  };
  writeFileSync(`${values.output}.json`, `${JSON.stringify(study, null, 1)}\n`);
  writeFileSync(`${values.output}.md`, studyText(study));
  console.log(studyText(study).split('\n').slice(0, 40).join('\n'));
});
