// Measures a MoE layer against its peers in the same run, adds the figures to docs/performance.json and writes
// docs/performance.md from it.
// Usage: npm run bench -- --cpu [--rounds N] | --gpu [--program PATH] [--shapes A,B] [--tokens 1,8] | --merge FILE | --table
// --merge takes what scripts/bench/gpu/run.py wrote on another machine, measured at the commit that is checked out here.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureCpu } from './bench/cpu.mjs';
import { measureGpu } from './bench/gpu.mjs';
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

/** Of one commit on one machine, shapes of several runs stand side by side. */
function withShapesOf(old, section) {
  if (!old?.shapes || !section.shapes || old.commit !== section.commit) return section;
  const kept = old.shapes.filter(({ shape }) => !section.shapes.some((one) => one.shape === shape));
  return { ...section, shapes: [...kept, ...section.shapes] };
}

/** A file of scripts/bench/gpu/profile_kernels.py joins the section of its machine; each profile says its commit. */
function withProfiles(old, { profiles, commit: at }) {
  const fresh = profiles.map((profile) => ({ commit: at, ...profile }));
  const same = (a, b) => a.shape === b.shape && a.tokens === b.tokens;
  const kept = (old.profiles ?? []).filter((one) => !fresh.some((other) => same(one, other)));
  return { ...old, profiles: [...kept, ...fresh] };
}

/**
 * Sections are told apart by what was measured and on which machine; a new run takes the place of an old one. What was
 * written by hand (notes, tried) and the profiles stay: who merges looks whether they still hold.
 */
function merge(section) {
  const all = existsSync(json) ? JSON.parse(readFileSync(json, 'utf8')) : { sections: [] };
  const same = (old) => old.kind === section.kind && old.machine.name === section.machine.name;
  const old = all.sections.find(same);
  if (!section.shapes && section.profiles && !old) {
    throw new Error(`profiles of ${section.machine.name}: merge that machine's run first`);
  }
  const { notes, tried, profiles } = old ?? {};
  const merged =
    !section.shapes && section.profiles
      ? withProfiles(old, section)
      : { ...withShapesOf(old, section), notes, tried, profiles };
  all.sections = [...all.sections.filter((one) => one !== old), merged];
  writeFileSync(json, `${JSON.stringify(all, null, 1)}\n`);
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
      'say what to measure: npm run bench -- --cpu, or --gpu; --merge FILE adds figures of another machine',
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
  console.log(`written: docs/performance.json, docs/performance.md`);
});
