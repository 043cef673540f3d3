// One command for the owner of an RTX Blackwell card (or a Hopper GPU): builds the cuda provider, runs its correctness
// program and `verify` on the demo layer, and writes one report as JSON and as text. Usage: node scripts/check-rtx.mjs [FOLDER]
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, release } from 'node:os';
import { join, resolve } from 'node:path';
import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { failureOf, runChild } from './toolchain/child.mjs';
import { ensureCudaTools, findNvcc } from './toolchain/cuda-tools.mjs';
import { ensureDemo } from './toolchain/demo.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { inRepository, temporaryFolder } from './toolchain/places.mjs';

/** The correctness program takes minutes where MMA is emulated. */
const checkLimitS = 3600;
const verifyLimitS = 900;

/** What a program that says it in one line says, or why it does not. */
async function ask(program, args) {
  try {
    const result = await runChild(program, args, { limitS: 60, quiet: true });
    return failureOf(result) ?? result.output.trim();
  } catch (error) {
    return `cannot be started (${error.code ?? error.message})`;
  }
}

/** A command of ours with --json on stdout. */
async function moescope(args, limitS) {
  const result = await runChild(process.execPath, [inRepository('electron/cli/bin.mjs'), ...args, '--json'], {
    limitS,
    quiet: true,
  });
  const from = result.output.indexOf('{');
  const to = result.output.lastIndexOf('}');
  let json = null;
  try {
    json = JSON.parse(result.output.slice(from, to + 1));
  } catch {
    // The output below says what came instead.
  }
  return { failure: failureOf(result), seconds: result.seconds, json, ...(json ? {} : { output: result.output }) };
}

/** The library through the same door as the app's: graphs, taps and stage times on the real driver. */
async function checkProvider() {
  const library = inRepository('build/native/providers/libmoescope_cuda.so');
  const result = await runChild(inRepository('build/native/cuda/moescope_provider_check'), [library], {
    limitS: checkLimitS,
  });
  return { failure: failureOf(result), seconds: result.seconds, output: result.output };
}

/** Runs the correctness program; it writes its findings itself, unless it ends before. */
async function checkKernels() {
  const file = join(temporaryFolder(), 'check.json');
  const program = inRepository('build/native/cuda/moescope_cuda_check');
  if (!existsSync(program)) return { failure: 'it was not built', seconds: 0, json: null, output: '' };
  const result = await runChild(program, ['--json', file], { limitS: checkLimitS });
  const json = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
  return { failure: failureOf(result), seconds: result.seconds, json, output: result.output };
}

/**
 * The report for people: one line a part, then what the correctness program printed.
 * @param {object} report as it is written to the JSON file
 * @returns {string}
 */
export function reportText({ about, doctor, verify, check, provider }) {
  const cuda = doctor.json?.providers?.find(({ name }) => name === 'cuda');
  const device = cuda?.device?.available
    ? cuda.device.name
    : (cuda?.device?.reason ?? cuda?.error?.message ?? 'unknown');
  const items = verify.json?.items?.map(({ status, name, reason }) => `  ${status}: ${name}: ${reason}`) ?? [];
  const how = ({ failure, seconds }) => `${failure ?? 'ended well'} (${seconds.toFixed(0)} s)`;
  return [
    `MoEscope ${about.version}, commit ${about.commit}, ${about.date}`,
    `GPU: ${device}`,
    `nvidia-smi: ${about.nvidiaSmi}`,
    `nvcc: ${about.nvcc}`,
    `correctness program: ${how(check)}`,
    `provider library: ${how(provider)}`,
    `verify on the demo layer: ${how(verify)}`,
    ...items,
    '',
    check.output ?? '',
    provider.output,
  ].join('\n');
}

async function main(folder) {
  await ensureDependencies();
  const why = await ensureCudaTools();
  if (why) throw new Error(`the cuda provider cannot be built: ${why}; install the CUDA toolkit 13.0 or newer`);
  await buildNative({ tests: true, cuda: true });
  await buildBundles();
  const demo = await ensureDemo();

  const { version } = JSON.parse(readFileSync(inRepository('package.json'), 'utf8'));
  const query = 'name,driver_version,clocks.max.sm,clocks.max.memory,power.limit,ecc.mode.current';
  const about = {
    version,
    commit: await ask('git', ['describe', '--always', '--dirty']),
    date: new Date().toISOString(),
    system: `${process.platform} ${release()}`,
    nvidiaSmi: await ask('nvidia-smi', [`--query-gpu=${query}`, '--format=csv,noheader']),
    nvcc: (await ask(findNvcc(), ['--version'])).match(/release .+/)?.[0] ?? 'of an unknown version',
  };
  const doctor = await moescope(['doctor'], 120);
  console.log('\n== correctness of the kernels');
  const check = await checkKernels();
  console.log('\n== the provider library');
  const provider = await checkProvider();
  console.log('\n== verify on the demo layer');
  const verify = await moescope(['verify', demo, '--provider', 'cuda'], verifyLimitS);
  const report = { about, doctor, check, provider, verify };

  mkdirSync(folder, { recursive: true });
  const [json, text] = ['json', 'txt'].map((ending) => join(folder, `moescope-cuda-report.${ending}`));
  const anonymous = (words) => words.replaceAll(homedir(), '~');
  writeFileSync(json, `${anonymous(JSON.stringify(report, null, 2))}\n`);
  writeFileSync(text, `${anonymous(reportText(report))}\n`);
  const failed = [check, provider, verify].filter(({ failure }) => failure).length;
  console.log(`\n${failed === 0 ? 'all checks hold' : 'NOT all checks hold'}`);
  console.log(`report: ${json}\n        ${text}`);
  console.log(
    'Please attach both files to an issue of the project, whatever they say. They hold the names of your GPU,',
  );
  console.log(
    'driver and system, the sizes and times of the checks and the numbers found; paths of your home folder are cut.',
  );
  process.exitCode = failed === 0 ? 0 : 1;
}

if (isMain(import.meta.url)) await tellAndExit(() => main(resolve(process.argv[2] ?? '.')));
