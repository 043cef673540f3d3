// Builds native/ with CMake and Ninja into build/native: addon, providers, C++ tests, and with --cuda the cuda provider.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { failureOf, runChild } from './toolchain/child.mjs';
import { checkCudaLibrary } from './toolchain/cuda-library.mjs';
import { cudaDefinitions, ensureCudaTools } from './toolchain/cuda-tools.mjs';
import { ensureDebianPackages, findProgram } from './toolchain/debian.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { withLock } from './toolchain/lock.mjs';
import { inRepository } from './toolchain/places.mjs';

const source = inRepository('native');
const output = inRepository('build', 'native');
const addon = join(output, 'moescope.node');

/** First C++20 compiler that Debian 12 ships and that we test with. */
const oldestGcc = 12;

async function compilerIsNewEnough() {
  // An own compiler is the builder's choice: CMake checks what it can do.
  if (process.env.CXX) return true;
  if (!findProgram('g++')) return false;
  const { output: version } = await runChild('g++', ['-dumpversion'], { limitS: 20, quiet: true });
  return Number.parseInt(version, 10) >= oldestGcc;
}

const includeFolders = [
  '/usr/include',
  '/usr/local/include',
  ...(process.env.CPLUS_INCLUDE_PATH ?? '').split(':').filter(Boolean),
];

const tools = [
  { package: 'cmake', present: () => findProgram('cmake') !== undefined },
  { package: 'ninja-build', present: () => findProgram('ninja') !== undefined },
  { package: 'g++', present: compilerIsNewEnough },
  {
    package: 'doctest-dev',
    present: () => includeFolders.some((folder) => existsSync(join(folder, 'doctest/doctest.h'))),
  },
];

function listFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** The CMake target of the addon with the built-in providers, which is all that running needs. */
const addonTarget = 'moescope_addon';
const cudaTargets = ['moescope_cuda', 'moescope_cuda_check', 'moescope_provider_check'];
const cudaLibrary = join(output, 'providers', 'libmoescope_cuda.so');
/** Hopper, and the family of RTX Blackwell (sm_120, sm_121). */
const cudaArchitectures = [90, 120];

/**
 * Configures when needed and builds; does nothing slow when everything is up to date (Ninja decides).
 * @param {{ tests?: boolean, cuda?: boolean }} options tests: the C++ tests, and the libraries they load, too; cuda: the cuda
 *   provider too, minutes when it is built for the first time; where nvcc is not found one line says so.
 * @returns {Promise<void>}
 * @throws Error with the compiler's last words when the build fails.
 */
export async function buildNative({ tests = false, cuda = false } = {}) {
  if (!existsSync(join(source, 'CMakeLists.txt')))
    throw new Error('native/CMakeLists.txt is missing: this checkout is not complete');
  const definitions = {
    NODE_ADDON_API_DIR: inRepository('node_modules/node-addon-api'),
    NODE_API_HEADERS_DIR: inRepository('node_modules/node-api-headers/include'),
  };
  for (const folder of Object.values(definitions)) {
    if (!existsSync(folder)) throw new Error(`${folder} is missing; run: npm ci`);
  }
  await ensureDebianPackages('build the native part', tools);
  const why = cuda ? await ensureCudaTools() : undefined;
  if (why) console.log(`cuda: ${why}, the cuda provider is not built`);
  const withCuda = cuda && !why;
  Object.assign(definitions, await cudaDefinitions());

  mkdirSync(output, { recursive: true });
  const lock = `${output}.lock`;
  const targets = [tests ? 'all' : addonTarget, ...(withCuda ? cudaTargets : [])];
  await withLock(lock, () => configureAndBuild(definitions, targets), {
    waiting: () => console.log('native: another build is running, waiting'),
  });
  if (withCuda) console.log(`cuda: ${checkCudaLibrary(cudaLibrary, cudaArchitectures)}`);
}

async function configureAndBuild(definitions, targets) {
  const configure = ['-S', source, '-B', output, '-G', 'Ninja', '-DCMAKE_BUILD_TYPE=Release'];
  for (const [name, value] of Object.entries(definitions)) configure.push(`-D${name}=${value}`);
  // Globs in CMake see new files only when it runs again, so the list of files is part of what it was run with.
  const wanted = createHash('sha256')
    .update(JSON.stringify([configure, process.env.CXX ?? '', listFiles(source)]))
    .digest('hex');
  const stamp = join(output, '.configured');
  const current =
    existsSync(join(output, 'build.ninja')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  if (!current) {
    await step('configure', 'cmake', configure, 120);
    writeFileSync(stamp, wanted);
  }
  await step('build', 'ninja', ['-C', output, '-j', String(availableParallelism()), ...targets], 1500);
  if (!existsSync(addon))
    throw new Error(`the build ended well but did not write ${addon}; look at native/CMakeLists.txt`);
}

/** A build that takes longer says how far it is this often, milliseconds. */
const sayEveryMs = 10_000;

async function step(what, program, args, limitS) {
  let said = Date.now();
  const onText = (text) => {
    const progress = text.match(/\[\d+\/\d+\]/g)?.at(-1);
    if (progress === undefined || Date.now() - said < sayEveryMs) return;
    said = Date.now();
    console.log(`native ${what}: ${progress}`);
  };
  const result = await runChild(program, args, { limitS, quiet: true, onText });
  const failure = failureOf(result);
  if (failure) throw new Error(`native ${what}: ${program} ${failure}\n${excerpt(result.output)}`);
  const last = result.output.trim().split('\n').at(-1) ?? '';
  console.log(`native ${what}: ${result.seconds.toFixed(1)} s (${last.replace(/^ninja: /, '')})`);
}

/** The end of a failed build's output, without the lines that only count. */
const excerpt = (output) =>
  output
    .trim()
    .split('\n')
    .filter((line) => !/^\[\d+\/\d+\]/.test(line))
    .slice(-60)
    .join('\n');

if (isMain(import.meta.url)) {
  await tellAndExit(() => {
    const { values } = parseArgs({ options: { cuda: { type: 'boolean', default: false } } });
    return buildNative({ tests: true, cuda: values.cuda });
  });
}
