// Measures a MoE layer against its peers in the same run, adds the figures to docs/performance.json and writes
// docs/performance.md from it.
// Usage: npm run bench -- --cpu [--rounds N] | --gpu [--program PATH] [--shapes A,B] [--tokens 1,8] | --merge FILE | --table
// --merge takes what scripts/bench/gpu/run.py or profile_kernels.py wrote on another machine, measured at the commit that is checked
// out here; --table writes the page anew and measures nothing.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureCpu } from './bench/cpu.mjs';
import { measureGpu } from './bench/gpu.mjs';
import { merged } from './bench/merge.mjs';
import { performancePage } from './bench/page.mjs';
import { tellAndExit } from './toolchain/entry.mjs';
import { inRepository } from './toolchain/places.mjs';

const json = inRepository('docs', 'performance.json');
const page = inRepository('docs', 'performance.md');

const git = (...args) => spawnSync('git', args, { cwd: inRepository(), encoding: 'utf8' }).stdout.trim();

/** The commit that is measured; "+" when files that are compiled or run differ from it. */
function commit() {
  const changed = git('status', '--porcelain', '--', 'native', 'scripts/bench');
  return git('rev-parse', '--short=12', 'HEAD') + (changed === '' ? '' : '+');
}

function merge(section) {
  const all = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : { sections: [] };
  writeFileSync(json, `${JSON.stringify(merged(all, section), null, 1)}\n`);
}

function options() {
  const { values } = parseArgs({
    options: {
      cpu: { type: 'boolean', default: false },
      gpu: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      program: { type: 'string' },
      shapes: { type: 'string', default: 'qwen3-30b-a3b' },
      tokens: { type: 'string' },
      merge: { type: 'string' },
      table: { type: 'boolean', default: false },
    },
  });
  if (!values.cpu && !values.gpu && !values.merge && !values.table) {
    throw new Error(
      'say what to measure: npm run bench -- --cpu, or --gpu; --merge FILE adds figures of another machine, --table writes the page anew',
    );
  }
  return values;
}

await tellAndExit(async () => {
  const wanted = options();
  const facts = { date: new Date().toISOString().slice(0, 10), commit: commit() };
  if (wanted.cpu) merge(await measureCpu(facts, { rounds: Number(wanted.rounds) }));
  if (wanted.gpu) merge(await measureGpu(facts, wanted));
  if (wanted.merge) merge({ ...facts, ...JSON.parse(readFileSync(wanted.merge, 'utf8')) });
  writeFileSync(page, performancePage(JSON.parse(readFileSync(json, 'utf8'))));
  const changed = wanted.cpu || wanted.gpu || wanted.merge ? 'docs/performance.json, ' : '';
  console.log(`written: ${changed}docs/performance.md`);
});
