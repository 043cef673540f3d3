// One command for the owner of an RTX Blackwell card (or a Hopper GPU): builds the cuda provider, runs its correctness
// program and the commands of the command line on the demo layer, and writes one report as JSON and as text.
// Usage: node scripts/check-rtx.mjs [--built] [FOLDER]
//   FOLDER   where the report goes; default: the current one
//   --built  takes what an earlier build left in build/native and .vite: for a machine without compilers and npm's packages
// Exit code 0: all checks hold. 1: one does not, or building failed. 4: no GPU that the cuda provider runs on; the report says why.
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { objectionOf, requireWritable, settingsOf, writeReport } from './rtx/report.mjs';
import { failureOf, runChild } from './toolchain/child.mjs';
import { ensureCudaTools, findNvcc, nvccObjection } from './toolchain/cuda-tools.mjs';
import { ensureDemo } from './toolchain/demo.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { inRepository, temporaryFolder } from './toolchain/places.mjs';

/** The correctness program takes minutes where MMA is emulated. */
const checkLimitS = 3600;
const commandLimitS = 900;

/**
 * Token counts of the recorded batches: micro, static and, from the threshold on, CUTLASS. Direct micro and dynamic, which the demo
 * layer does not reach below the threshold, are run by the correctness program.
 */
const recordedTokens = [1, 2, 8, 9, 63, 64, 65, 129];
const recordedThreshold = 64;

/**
 * y against the cpu provider's, NRMSE. Measured on an H100: 0.0108 for b12x-upcast, which adds FC2's sums in fp32 where the cpu provider
 * adds bf16 as the real kernels do; 0 for cutlass-sm90. The quantized bytes were all equal; were they not, it would be about 0.05.
 */
const mostNrmse = 0.015;

/** What a program that says it in one line says, or why it does not. */
async function ask(program, args) {
  try {
    const result = await runChild(program, args, { limitS: 60, quiet: true });
    const failure = failureOf(result);
    return failure ? `no answer (${failure}: ${result.output.trim()})` : result.output.trim();
  } catch (error) {
    return `no answer (cannot be started: ${error.code ?? error.message})`;
  }
}

/** A command of ours with --json on stdout. */
async function moescope(args, limitS, variables = {}) {
  const result = await runChild(process.execPath, [inRepository('electron/cli/bin.mjs'), ...args, '--json'], {
    limitS,
    quiet: true,
    env: { ...process.env, ...variables },
  });
  const from = result.output.indexOf('{');
  const to = result.output.lastIndexOf('}');
  let json = null;
  try {
    json = JSON.parse(result.output.slice(from, to + 1));
  } catch {
    // The output below says what came instead.
  }
  const ended = failureOf(result) ?? (json ? undefined : 'printed no JSON');
  const why = json?.error ? [json.error.message, json.error.remedy].filter(Boolean).join(' ') : undefined;
  const failure = ended && why ? `${ended}: ${why}` : ended;
  return { failure, seconds: result.seconds, json, ...(json ? {} : { output: result.output }) };
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
  const result = await runChild(program, ['--json', file], { limitS: checkLimitS });
  const json = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
  return { failure: failureOf(result), seconds: result.seconds, json, output: result.output };
}

/**
 * The cuda provider through the window's own engine: batches recorded with every tap, shown, run again bit for bit, and
 * compared with the cpu provider's recording of the same inputs.
 */
async function checkSessions(demo) {
  const folder = temporaryFolder();
  const [gpu, cpu] = ['cuda', 'cpu'].map((name) => join(folder, `${name}.moesession`));
  const recordOn = (provider, out, variables) => {
    const args = ['record', demo, '--provider', provider, '--out', out, '--taps'];
    args.push('--threshold', String(recordedThreshold));
    args.push('--tokens', recordedTokens.join(), '--batches', String(recordedTokens.length));
    return moescope(args, commandLimitS, variables);
  };
  const parts = {};
  parts.record = await recordOn('cuda', gpu);
  parts.replay = await moescope(['replay', gpu], commandLimitS);
  parts.rerun = await moescope(['replay', gpu, '--rerun', '--rows', '0'], commandLimitS);
  // The cpu provider's default takes the quantizers' reciprocal as exact; the GPU's is an fp32 number, and the demo's scales
  // make ties that its last bit decides.
  parts.onCpu = await recordOn('cpu', cpu, { MOESCOPE_RECIPROCAL: 'fp32' });
  parts.compare = await moescope(['diff', gpu, cpu], commandLimitS);
  const broken = Object.entries(parts).find(([, { failure }]) => failure);
  const seconds = Object.values(parts).reduce((sum, part) => sum + part.seconds, 0);
  const failure = broken ? `${broken[0]} ${broken[1].failure}` : differenceOf(parts);
  return { failure, seconds, ...parts };
}

/** What the sessions say against each other; undefined when all is as it should be. */
function differenceOf({ rerun, compare }) {
  const batches = recordedTokens.length;
  const { answers, identical } = rerun.json.rerun;
  if (answers === 0 || identical !== answers) return `run again: ${identical} of ${answers} answers identical`;
  const { equalInputs, equalDecisions, worst } = compare.json.values;
  if (equalInputs !== batches || equalDecisions !== batches)
    return `against the cpu provider: ${equalInputs} of ${batches} inputs and ${equalDecisions} decision chains equal`;
  if (!(worst === null || worst.nrmse <= mostNrmse))
    return `against the cpu provider: NRMSE ${worst.nrmse.toPrecision(3)} of batch ${worst.batchA} on ${worst.path}, at most ${mostNrmse} expected`;
  return undefined;
}

/** What the checks start, for --built. @throws Error naming the first that is missing. */
function requireBuilt() {
  const needed = [
    '.vite/build/cli.cjs',
    'build/native/moescope.node',
    'build/native/providers/libmoescope_cuda.so',
    'build/native/cuda/moescope_cuda_check',
    'build/native/cuda/moescope_provider_check',
  ];
  const missing = needed.find((path) => !existsSync(inRepository(path)));
  if (missing)
    throw new Error(
      `${missing} was not built; leave --built out, or build where nvcc is: npm run build && npm run build:native -- --cuda`,
    );
}

async function build() {
  await ensureDependencies();
  const why = await ensureCudaTools();
  if (why) {
    const remedy = (await nvccObjection())
      ? '; install the CUDA toolkit 13.0 or newer, and name its folder in CUDA_HOME'
      : '';
    throw new Error(`the cuda provider cannot be built: ${why}${remedy}`);
  }
  await buildNative({ tests: true, cuda: true });
  await buildBundles();
}

async function nvccVersion() {
  const nvcc = findNvcc();
  return nvcc ? ((await ask(nvcc, ['--version'])).match(/release .+/)?.[0] ?? 'of an unknown version') : 'none here';
}

async function factsOf(built, nvidiaSmi) {
  const { version } = JSON.parse(readFileSync(inRepository('package.json'), 'utf8'));
  return {
    version,
    commit: await ask('git', ['describe', '--always', '--dirty']),
    date: new Date().toISOString(),
    system: `${process.platform} ${process.arch} ${release()}`,
    nvidiaSmi,
    nvcc: await nvccVersion(),
    settings: settingsOf(process.env),
    built: built ? 'earlier' : 'now',
  };
}

async function checkAll() {
  console.log('\n== correctness of the kernels');
  const check = await checkKernels();
  console.log('\n== the provider library');
  const provider = await checkProvider();
  const demo = await ensureDemo();
  console.log('\n== verify on the demo layer');
  const verify = await moescope(['verify', demo, '--provider', 'cuda'], commandLimitS);
  console.log(verify.failure ?? 'ended well');
  console.log('\n== recordings of the demo layer');
  const sessions = await checkSessions(demo);
  console.log(sessions.failure ?? 'ended well');
  return { check, provider, verify, sessions };
}

async function main({ folder, built }) {
  requireWritable(folder);
  const query = 'name,driver_version,clocks.max.sm,clocks.max.memory,power.limit,ecc.mode.current';
  const nvidiaSmi = await ask('nvidia-smi', [`--query-gpu=${query}`, '--format=csv,noheader']);
  console.log(`nvidia-smi: ${nvidiaSmi}`);
  if (built) requireBuilt();
  else await build();

  const about = await factsOf(built, nvidiaSmi);
  const doctor = await moescope(['doctor'], 120);
  const objection = objectionOf(doctor);
  const parts = objection ? { objection } : await checkAll();
  const [json, text] = writeReport(folder, { about, doctor, ...parts });

  const failed = Object.values(parts).some(({ failure }) => failure);
  const result = failed ? 'NOT all checks hold' : 'all checks hold';
  console.log(`\n${objection ? `nothing was checked: ${objection}` : result}`);
  console.log(`report: ${json}\n        ${text}`);
  const when = objection
    ? 'If this machine has a Hopper or RTX Blackwell GPU and a driver of 580 or newer, please attach both files to an issue of the project.'
    : 'Please attach both files to an issue of the project, whatever they say.';
  console.log(when);
  console.log(
    'They hold the names of your GPU, driver and system, variables like MOESCOPE_CUDA_BODY, the sizes and times of the checks',
  );
  console.log('and the numbers found; paths of your home folder and of this checkout are cut.');
  process.exitCode = objection ? 4 : failed ? 1 : 0;
}

if (isMain(import.meta.url)) {
  await tellAndExit(() => {
    const { values, positionals } = parseArgs({
      options: { built: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    if (positionals.length > 1) throw new Error('usage: node scripts/check-rtx.mjs [--built] [FOLDER]');
    return main({ folder: resolve(positionals[0] ?? '.'), built: values.built });
  });
}
