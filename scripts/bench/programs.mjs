// The measuring programs of native/: targets that the ordinary build leaves out.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { buildNative } from '../build-native.mjs';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { inRepository } from '../toolchain/places.mjs';

const build = inRepository('build', 'native');

async function buildTarget(target) {
  const args = ['-C', build, '-j', String(availableParallelism()), target];
  const result = await runChild('ninja', args, { limitS: 1800, quiet: true });
  const failure = failureOf(result);
  if (failure)
    throw new Error(`building ${target}: ninja ${failure}\n${result.output.trim().split('\n').slice(-20).join('\n')}`);
}

/** @returns {Promise<string>} path of the program that times the cpu provider. */
export async function buildCpuBench() {
  await buildNative();
  await buildTarget('cpu_layer_bench');
  return join(build, 'bench', 'cpu_layer_bench');
}

/** @returns {Promise<string>} path of the program that times the kernels of the cuda provider; needs nvcc. */
export async function buildGpuBench() {
  await buildNative({ cuda: true });
  await buildTarget('moescope_cuda_bench');
  return join(build, 'bench', 'moescope_cuda_bench');
}
