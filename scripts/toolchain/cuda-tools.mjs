// What building the cuda provider takes: nvcc, and CUTLASS's headers. All of it may be missing; nothing else needs it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child.mjs';
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

/**
 * Makes sure that the cuda provider can be built.
 * @returns {Promise<string | undefined>} why not, in words; undefined when it can.
 */
export async function ensureCudaTools() {
  const nvcc = findNvcc();
  if (!nvcc) return 'nvcc not found';
  const { output } = await runChild(nvcc, ['--version'], { limitS: 60, quiet: true });
  const version = output.match(/release (\d+\.\d+)/)?.[1] ?? 'of an unknown version';
  if (!(Number.parseInt(version, 10) >= oldestNvcc)) return `${nvcc} is ${version}, ${oldestNvcc}.0 or newer is needed`;
  try {
    await ensureCutlass();
  } catch (error) {
    return `the headers of CUTLASS are not there (${error.message})`;
  }
  return undefined;
}

/** What CMake is told, also when the cuda provider is not built now, so that it need not configure anew when it is. */
export function cudaDefinitions() {
  const nvcc = findNvcc();
  if (!nvcc) return { MOESCOPE_NVCC: '' };
  return {
    MOESCOPE_NVCC: nvcc,
    MOESCOPE_NVCC_LAUNCHER: `${process.execPath};${inRepository('scripts/toolchain/nvcc-cache.mjs')}`,
    MOESCOPE_CUTLASS: cutlassFolder(),
  };
}
