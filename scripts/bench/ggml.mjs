// Builds ggml's side of the CPU comparison, outside the repository. Its source comes from PyPI: the source distribution of
// llama-cpp-python holds the whole of ggml, NVFP4 included.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { withLock } from '../toolchain/lock.mjs';
import { cacheFolder, inRepository } from '../toolchain/places.mjs';
import { ensureWholeFolder } from '../toolchain/whole-folder.mjs';

/** The pin. Hash: of the source distribution as PyPI serves it. ggml's licence: MIT. */
export const pinnedGgml = {
  requirement: 'llama-cpp-python==0.3.36',
  archive: 'llama_cpp_python-0.3.36.tar.gz',
  inside: 'llama_cpp_python-0.3.36/vendor/llama.cpp',
  sha256: '832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e',
};

async function mustRun(what, program, args, limitS) {
  const result = await runChild(program, args, { limitS, quiet: true });
  const failure = failureOf(result);
  if (failure)
    throw new Error(`${what}: ${program} ${failure}\n${result.output.trim().split('\n').slice(-20).join('\n')}`);
}

async function fetchSource(work) {
  mkdirSync(work);
  console.log('fetching the source of ggml (77 MB from PyPI)');
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-binary', 'llama-cpp-python', '--dest', work];
  await mustRun('download of ggml', 'python3', [...pip, pinnedGgml.requirement], 600);
  const archive = join(work, pinnedGgml.archive);
  const found = createHash('sha256').update(readFileSync(archive)).digest('hex');
  if (found !== pinnedGgml.sha256) {
    throw new Error(`${pinnedGgml.archive}: sha256 is ${found}, expected ${pinnedGgml.sha256}; not used`);
  }
  const members = ['ggml', 'LICENSE'].map((name) => `${pinnedGgml.inside}/${name}`);
  await mustRun('unpack of ggml', 'tar', ['-xzf', archive, '-C', work, '--strip-components=3', ...members], 120);
  rmSync(archive);
}

/**
 * Fetches ggml once and builds the program that times it.
 * @returns {Promise<string>} path of ggml_layer_bench.
 */
export async function ensureGgmlBench() {
  const folder = cacheFolder('peers', 'ggml-0.3.36');
  const source = join(folder, 'source');
  const build = join(folder, 'build');
  await withLock(`${cacheFolder('locks')}/ggml`, async () => {
    await ensureWholeFolder(source, fetchSource);
    const here = inRepository('native', 'bench', 'ggml');
    const configure = ['-S', here, '-B', build, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Release'];
    await mustRun('configuring ggml', 'cmake', [...configure, `-DGGML_SOURCE=${join(source, 'ggml')}`], 120);
    console.log('building ggml (minutes, once)');
    const jobs = String(availableParallelism());
    await mustRun('building ggml', 'ninja', ['-C', build, '-j', jobs, 'ggml_layer_bench'], 1800);
  });
  return join(build, 'ggml_layer_bench');
}
