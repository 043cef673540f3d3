// Measures how quick the window stays while a large layer loads, on both hosts, and writes docs/responsiveness.json and .md.
// Usage: node scripts/measure-responsiveness.mjs [web] [electron]
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, getPriority, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { runSpecs } from './e2e.mjs';
import { failureOf, runChild } from './toolchain/child.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { withLock } from './toolchain/lock.mjs';
import { cacheFolder, inRepository, temporaryFolder } from './toolchain/places.mjs';

const shape = { name: 'qwen3-30b-a3b', experts: 128 };
const seconds = 10;
/** For 95 of 100 presses. */
const limitMs = 100;

/** A whole layer of Qwen3-30B-A3B, 340 MB, made once. */
async function ensureLarge() {
  const name = `large-${shape.name}-${shape.experts}-experts`;
  const folder = join(cacheFolder(), name);
  await withLock(`${cacheFolder('locks')}/${name}`, async () => {
    if (existsSync(folder)) return;
    const work = `${folder}.partial`;
    rmSync(work, { recursive: true, force: true });
    console.log(`making ${folder} (once)`);
    const recipe = ['--shape', shape.name, '--experts', String(shape.experts), '--seed', '1', '--out', work];
    const args = [inRepository('electron/cli/bin.mjs'), 'make-checkpoint', ...recipe];
    const failure = failureOf(await runChild(process.execPath, args, { limitS: 600, quiet: true }));
    if (failure) throw new Error(`the large checkpoint was not made: make-checkpoint ${failure}`);
    renameSync(work, folder);
  });
  return folder;
}

async function measure(host, checkpoint) {
  const results = join(temporaryFolder(), 'figures');
  const before = loadavg()[0];
  const { failed, problem } = await runSpecs(host, {
    args: ['responsiveness.spec.ts'],
    env: {
      MOESCOPE_RESPONSIVENESS_CHECKPOINT: checkpoint,
      MOESCOPE_RESPONSIVENESS_SECONDS: String(seconds),
      MOESCOPE_RESPONSIVENESS_RESULTS: results,
    },
  });
  const file = `${results}-${host}.json`;
  if (!existsSync(file)) throw new Error(`${host}: ${problem ?? 'no figures were written'}`);
  const figures = JSON.parse(readFileSync(file, 'utf8'));
  const passed = failed === 0 && !problem && figures.loading.p95 < limitMs;
  return { ...figures, passed, loadAverageBefore: before };
}

const ms = (value) => value.toFixed(value < 10 ? 1 : 0);

function table({ machine, date, hosts }) {
  const rows = hosts.map(
    ({ host, loads, loadMs, idle, loading, longestFrameGapMs, loadAverageBefore, passed }) =>
      `| ${host} | ${loadAverageBefore.toFixed(1)} | ${loads} x ${ms(loadMs.median)} | ${idle.presses}: ${ms(idle.median)} / ${ms(idle.p95)} / ${ms(idle.longest)} | ${loading.presses}: ${ms(loading.median)} / ${ms(loading.p95)} / ${ms(loading.longest)} | ${ms(longestFrameGapMs)} | ${passed ? 'yes' : 'no'} |`,
  );
  return `# How quick the window stays while it works

Written by \`node scripts/measure-responsiveness.mjs\`; the spec is test/e2e/specs/responsiveness.spec.ts.
A ${shape.name} layer with ${shape.experts} experts (340 MB) is loaded and prepared again and again for ${seconds} s, under one contract after the other,
while keys are typed into the command palette and buttons are clicked. A press counts from its own time stamp to the end of the next frame.
The limit is ${limitMs} ms for 95 of 100 presses. The same run shows progress, cancels a batch and a load, and goes on working.

${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, ${date}. The load average stands beside each row, this work's own included; window, engine and test ran at niceness ${machine.niceness}.

| host | load average | loads x median ms | idle presses: median / p95 / longest ms | presses while loading: median / p95 / longest ms | longest frame gap ms | passed |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

if (isMain(import.meta.url)) {
  await tellAndExit(async () => {
    const wanted = process.argv.slice(2);
    const unknown = wanted.filter((host) => host !== 'web' && host !== 'electron');
    if (unknown.length > 0) throw new Error(`unknown host ${unknown.join(', ')}; expected web or electron`);
    await ensureDependencies();
    await buildNative();
    await buildBundles();
    const checkpoint = await ensureLarge();
    const hosts = [];
    for (const host of wanted.length > 0 ? wanted : ['web', 'electron']) hosts.push(await measure(host, checkpoint));
    const [{ model }] = cpus();
    const machine = {
      cpu: model,
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      kernel: release(),
      niceness: getPriority(),
    };
    const report = { date: new Date().toISOString().slice(0, 10), seconds, shape, machine, hosts };
    writeFileSync(inRepository('docs/responsiveness.json'), `${JSON.stringify(report, null, 2)}\n`);
    writeFileSync(inRepository('docs/responsiveness.md'), table(report));
    console.log(table(report));
    if (hosts.some(({ passed }) => !passed)) process.exitCode = 1;
  });
}
