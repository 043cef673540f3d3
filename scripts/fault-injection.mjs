// Fault injection: plants each cause alone and in pairs in random layers and asks the diagnoser; writes docs/fault-injection.json
// and docs/fault-injection.md. Usage: node scripts/fault-injection.mjs [--seed N] [--singles N] [--pairs N] [--clean N]
//   [--cause ID] [--shape NAME] [--output PATH]
// --singles and --pairs: cases of each cause (pair) and shape; --clean: clean layers over all shapes. --cause and --shape: of all
// these cases the ones with that cause, of that shape; nothing is written then unless --output says where.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { shapes } from './faults/layers.mjs';
import { diagnosed, givesTheSameBits, plantedCase } from './faults/plant.mjs';
import { randomNumbers } from './faults/random.mjs';
import { studyText } from './faults/report.mjs';
import { tellAndExit } from './toolchain/entry.mjs';
import { inRepository } from './toolchain/places.mjs';

function requireOneOf(option, value, names) {
  if (value === undefined || names.includes(value)) return;
  throw new Error(`${option}: there is no "${value}"; one of ${names.join(', ')}`);
}

/** A case's seed is its place: any one of them can be run again by itself. */
const seedOf = (seed, kind, number) => (seed * 1000003 + kind * 100003 + number) >>> 0;

async function runCase(binding, { shape, planted, seed }) {
  const numbers = randomNumbers(seed);
  const made = await plantedCase(binding, shapes[shape], planted, numbers);
  if (!made) return { shape, planted, seed, impossible: true };
  const named = {};
  const twins = {};
  for (const view of ['taps', 'output']) {
    const { ranked, diagnosis } = await diagnosed(binding, made, view, numbers.seed());
    named[view] = ranked;
    // One cause was planted and another was named first: is there a bit that could have told them apart?
    if (planted.length === 1 && ranked.length > 0 && ranked[0] !== planted[0])
      twins[view] = await givesTheSameBits(binding, made, view, diagnosis.deviations);
  }
  const { contract, model } = made.request;
  return {
    ...{ shape, planted, seed, named, twins, redrawn: made.redrawn },
    pipeline: `${contract} ${model.kernel}`,
    tokens: made.request.tokens,
    deviations: made.deviations.map(({ cause, site, variant }) => `${cause}/fc${site + 1}/${variant}`),
  };
}

/** Cases of each set of causes and each shape, in order. */
function* placed(sets, count, seed, kind) {
  let number = 0;
  for (const planted of sets)
    for (const shape of Object.keys(shapes))
      for (let i = 0; i < count; i++) yield { shape, planted, seed: seedOf(seed, kind, number++) };
}

function* cleanCases(count, seed) {
  const names = Object.keys(shapes);
  for (let i = 0; i < count; i++) yield { shape: names[i % names.length], planted: [], seed: seedOf(seed, 0, i) };
}

await tellAndExit(async () => {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      singles: { type: 'string', default: '6' },
      pairs: { type: 'string', default: '1' },
      clean: { type: 'string', default: '200' },
      cause: { type: 'string' },
      shape: { type: 'string' },
      output: { type: 'string' },
    },
  });
  const seed = Number(values.seed);
  const binding = createRequire(import.meta.url)(
    process.env.MOESCOPE_ADDON ?? inRepository('build', 'native', 'moescope.node'),
  );
  const causes = binding.causes();
  requireOneOf('--cause', values.cause, causes);
  requireOneOf('--shape', values.shape, Object.keys(shapes));
  const filtered = values.cause !== undefined || values.shape !== undefined;
  const wanted = ({ planted, shape }) =>
    (values.cause === undefined || planted.includes(values.cause)) &&
    (values.shape === undefined || shape === values.shape);
  const started = Date.now();
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: inRepository() }).toString().trim();

  async function run(what, places) {
    const cases = [];
    const impossible = new Set();
    for (const place of places) {
      const set = `${place.shape} ${place.planted}`;
      if (!wanted(place) || impossible.has(set)) continue;
      const made = await runCase(binding, place);
      cases.push(made);
      if (made.impossible) impossible.add(set);
    }
    console.log(`${what}: ${cases.length} cases, ${((Date.now() - started) / 1000).toFixed(0)} s`);
    return cases;
  }

  const both = causes.flatMap((first, i) => causes.slice(i + 1).map((second) => [first, second]));
  const alone = causes.map((cause) => [cause]);
  const cases = {
    clean: await run('clean', cleanCases(Number(values.clean), seed)),
    singles: await run('singles', placed(alone, Number(values.singles), seed, 1)),
    pairs: await run('pairs', placed(both, Number(values.pairs), seed, 2)),
  };

  const study = {
    seed,
    commit,
    machine: `${cpus()[0].model}, ${cpus().length} threads, ${binding.info().activeSimd}`,
    date: new Date().toISOString().slice(0, 10),
    seconds: Math.round((Date.now() - started) / 1000),
    causes,
    shapes,
    ...cases,
  };
  const output = values.output ?? (filtered ? undefined : inRepository('docs', 'fault-injection'));
  if (output !== undefined) {
    writeFileSync(`${output}.json`, `${JSON.stringify(study, null, 1)}\n`);
    writeFileSync(`${output}.md`, studyText(study));
  }
  console.log(studyText(study).split('\n').slice(0, 40).join('\n'));
});
