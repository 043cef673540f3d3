// The kernels of the cuda provider against torch and Triton on this machine's GPU: scripts/bench/gpu/run.py does the work.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { inRepository, temporaryFolder } from '../toolchain/places.mjs';
import { buildGpuBench } from './programs.mjs';

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
  if (wanted.tokens) args.push('--tokens', wanted.tokens);
  const failure = failureOf(await runChild('python3', args, { limitS: 1200 }));
  if (failure) throw new Error(`python3 ${args.join(' ')}: ${failure}; torch with CUDA and triton must be importable`);
  return { ...JSON.parse(readFileSync(out, 'utf8')), ...facts };
}
