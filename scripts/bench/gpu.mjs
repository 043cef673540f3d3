// The kernels of the cuda provider against torch, Triton and Humming on this machine's GPU: scripts/bench/gpu/run.py does the work.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { inRepository, temporaryFolder } from '../toolchain/places.mjs';
import { ensureHumming } from './humming.mjs';
import { buildGpuBench } from './programs.mjs';

/** @returns {Promise<string[]>} the option that gives Humming to run.py; none, with a word why, where it cannot be had. */
async function hummingOption() {
  try {
    return ['--humming', await ensureHumming()];
  } catch (error) {
    console.log(`Humming is left out: ${error.message}`);
    return [];
  }
}

/**
 * @param {{ date: string, commit: string }} facts
 * @param {{ program?: string, shapes?: string, tokens?: string }} wanted program: a built moescope_cuda_bench.
 * @returns {Promise<object>} a section of docs/performance.json.
 */
export async function measureGpu(facts, wanted) {
  const program = wanted.program ?? (await buildGpuBench());
  const out = join(temporaryFolder(), 'gpu.json');
  const args = [
    inRepository('scripts/bench/gpu/run.py'),
    '--program',
    program,
    '--out',
    out,
    '--shapes',
    wanted.shapes,
  ];
  args.push(...(await hummingOption()));
  if (wanted.tokens) args.push('--tokens', wanted.tokens);
  const failure = failureOf(await runChild('python3', args, { limitS: 1200 }));
  if (failure) throw new Error(`python3 ${args.join(' ')}: ${failure}; torch with CUDA and triton must be importable`);
  return { ...JSON.parse(readFileSync(out, 'utf8')), ...facts };
}
