// Counts the false alarms of the hazard detector: makes 200 layers whose scales are as they should be, looks at each under every
// contract with `moescope inspect` as last built, and holds the findings against what the layer was made with.
// Writes docs/hazards.json; exit code 1 when a finding is there that should not be, or is not there that should.
// Usage: node scripts/measure-hazards.mjs [--seed 1] [--output docs/hazards.json]
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { inRepository, temporaryFolder } from './toolchain/places.mjs';

/**
 * Layers of each shape and kind of scales. `directMicro`: the dispatch reaches that kernel for some number of tokens (I at most 512);
 * `padded`: H or I is no multiple of 128.
 */
const sets = [
  { shape: 'tiny', experts: 8, layers: 30, directMicro: true, padded: false },
  { shape: 'tiny-nemotron', experts: 8, layers: 30, directMicro: true, padded: false },
  { shape: 'qwen3-next-80b-a3b', experts: 10, layers: 10, directMicro: true, padded: false },
  { shape: 'qwen3-30b-a3b', experts: 8, layers: 10, directMicro: false, padded: false },
  { shape: 'gemma-4-26b', experts: 8, layers: 10, directMicro: false, padded: true },
  { shape: 'nemotron-3-nano', experts: 6, layers: 10, directMicro: false, padded: true },
];
const contracts = ['unit-alpha', 'activation-alpha', 'clean'];

/** What docs/hazards.md says of such a layer: each finding once, and no other. */
function expected({ directMicro, padded }, scales, contract) {
  return [
    ...(contract !== 'clean' && scales === 'realistic' ? ['error H1-baked-block-scales'] : []),
    ...(contract === 'activation-alpha' ? ['warning H2-alpha-dual-role'] : []),
    ...(contract !== 'unit-alpha' && directMicro ? ['warning H3-direct-micro-multiplier'] : []),
    ...(padded ? ['info padding-rule'] : []),
  ];
}

/** Runs the command line and gives its JSON. `inspect` ends with 1 where a finding is an error. */
function moescope(args) {
  const words = [inRepository('electron/cli/bin.mjs'), ...args, '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0 && !(args[0] === 'inspect' && status === 1))
    throw new Error(`moescope ${args.join(' ')} ended with ${status}: ${stdout || stderr}`);
  return JSON.parse(stdout);
}

/** Findings of each layer as "severity id", each name once: a finding may be there for FC1 and for FC2. */
function namedByLayer({ findings }, layers) {
  const named = Array.from({ length: layers }, () => new Set());
  for (const { layer, severity, id } of findings) named[layer].add(`${severity} ${id}`);
  return named;
}

function lookAt(folder, set, scales, contract) {
  const named = namedByLayer(moescope(['inspect', folder, '--layer', 'all', '--contract', contract]), set.layers);
  const wanted = expected(set, scales, contract);
  const counts = {};
  for (const name of named.flatMap((names) => [...names])) counts[name] = (counts[name] ?? 0) + 1;
  return {
    contract,
    layers: set.layers,
    findings: counts,
    falseAlarms: named.flatMap((names, layer) =>
      [...names].filter((name) => !wanted.includes(name)).map((name) => ({ layer, name })),
    ),
    missed: named.flatMap((names, layer) => wanted.filter((name) => !names.has(name)).map((name) => ({ layer, name }))),
  };
}

function measure(set, scales, seed) {
  const folder = join(temporaryFolder(), 'checkpoint');
  const recipe = ['--shape', set.shape, '--experts', String(set.experts), '--layers', String(set.layers)];
  moescope(['make-checkpoint', ...recipe, '--scales', scales, '--seed', String(seed), '--out', folder]);
  try {
    return { ...set, scales, seed, looks: contracts.map((contract) => lookAt(folder, set, scales, contract)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (isMain(import.meta.url)) {
  await tellAndExit(async () => {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        output: { type: 'string', default: inRepository('docs', 'hazards.json') },
      },
    });
    const started = Date.now();
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: inRepository() }).toString().trim();
    const measured = [];
    for (const set of sets)
      for (const scales of ['power-of-two', 'realistic']) {
        measured.push(measure(set, scales, Number(values.seed) + measured.length));
        const { looks } = measured[measured.length - 1];
        const wrong = looks.reduce((sum, { falseAlarms, missed }) => sum + falseAlarms.length + missed.length, 0);
        console.log(`${set.shape}, ${scales}: ${set.layers} layers, ${wrong} findings are not as expected`);
      }
    const looks = measured.flatMap((set) => set.looks);
    const count = (what) => looks.reduce((sum, look) => sum + look[what].length, 0);
    const report = {
      commit,
      date: new Date().toISOString().slice(0, 10),
      machine: `${cpus()[0].model}, ${cpus().length} threads`,
      seconds: Math.round((Date.now() - started) / 1000),
      layers: measured.reduce((sum, { layers }) => sum + layers, 0),
      looks: looks.reduce((sum, { layers }) => sum + layers, 0),
      falseAlarms: count('falseAlarms'),
      missed: count('missed'),
      sets: measured,
    };
    writeFileSync(values.output, `${JSON.stringify(report, null, 1)}\n`);
    console.log(
      `${report.layers} layers, ${report.looks} looks: ${report.falseAlarms} false alarms, ${report.missed} missed`,
    );
    if (report.falseAlarms + report.missed > 0) process.exitCode = 1;
  });
}
