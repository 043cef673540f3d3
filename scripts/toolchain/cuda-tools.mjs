// What building the cuda provider takes: nvcc with its static runtime, and CUTLASS's headers. All of it may be missing;
// nothing else needs it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, runChild } from './child.mjs';
import { cutlassFolder, ensureCutlass } from './cutlass.mjs';
import { findProgram } from './debian.mjs';
import { inRepository } from './places.mjs';

/** First nvcc with the family targets (compute_120f) that cover sm_120 and sm_121, and the one we test with. */
const oldestNvcc = 13;

/** nvcc of CUDA_HOME, else of PATH, else where NVIDIA's installer puts it; undefined when there is none. */
export function findNvcc() {
  const home = process.env.CUDA_HOME;
  const places = home ? [join(home, 'bin', 'nvcc')] : [findProgram('nvcc'), '/usr/local/cuda/bin/nvcc'];
  return places.find((path) => path !== undefined && existsSync(path));
}

const ask = (nvcc, args) => runChild(nvcc, args, { limitS: 60, quiet: true });

/** Why the nvcc that was found cannot build the provider; undefined when it can. */
async function objectionTo(nvcc) {
  if (!nvcc)
    return process.env.CUDA_HOME ? `${process.env.CUDA_HOME}, named by CUDA_HOME, has no bin/nvcc` : 'nvcc not found';
  const said = await ask(nvcc, ['--version']);
  const version = said.output.match(/release (\d+\.\d+)/)?.[1] ?? 'of an unknown version';
  if (!(Number.parseInt(version, 10) >= oldestNvcc)) return `${nvcc} is ${version}, ${oldestNvcc}.0 or newer is needed`;
  // nvcc may be a link or a script; where its toolkit is it says itself, of a file that need not exist.
  const plan = await ask(nvcc, ['--dryrun', '-c', 'none.cu']);
  const top = plan.output.match(/TOP=(.+)/)?.[1];
  if (failureOf(plan) || !top) return `${nvcc} does not say where its toolkit is`;
  const folders = ['lib64', 'targets/x86_64-linux/lib', 'lib'].map((name) => join(top, name));
  if (folders.some((folder) => existsSync(join(folder, 'libcudart_static.a')))) return undefined;
  return `${top} has no libcudart_static.a; the CUDA toolkit is not complete`;
}

let objection;
/** Why there is no nvcc that can build the provider, in words; undefined when there is one. @returns {Promise<string | undefined>} */
export const nvccObjection = () => {
  objection ??= objectionTo(findNvcc());
  return objection;
};

/**
 * Makes sure that the cuda provider can be built.
 * @returns {Promise<string | undefined>} why not, in words; undefined when it can.
 */
export async function ensureCudaTools() {
  const why = await nvccObjection();
  if (why) return why;
  try {
    await ensureCutlass();
  } catch (error) {
    return `the headers of CUTLASS are not there (${error.message})`;
  }
  return undefined;
}

/** What CMake is told, also when the cuda provider is not built now, so that it need not configure anew when it is. */
export async function cudaDefinitions() {
  if (await nvccObjection()) return { MOESCOPE_NVCC: '' };
  return {
    MOESCOPE_NVCC: findNvcc(),
    MOESCOPE_NVCC_LAUNCHER: `${process.execPath};${inRepository('scripts/toolchain/nvcc-cache.mjs')}`,
    MOESCOPE_CUTLASS: cutlassFolder(),
  };
}
