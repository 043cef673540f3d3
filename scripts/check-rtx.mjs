// One command for the owner of an RTX Blackwell card (or a Hopper GPU): builds the cuda provider, runs its correctness
// program and the commands of the command line on the demo layer, and writes one report as JSON and as text.
// Usage: node scripts/check-rtx.mjs [--built] [FOLDER]
//   --built  takes what an earlier build left in build/native and .vite: for a machine without compilers and npm's packages
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, release } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
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
const commandLimitS = 900;

/** Token counts of the recorded batches: each kernel, and both sides of the threshold. */
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
    return failureOf(result) ?? result.output.trim();
  } catch (error) {
    return `cannot be started (${error.code ?? error.message})`;
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
    return `against the cpu provider: NRMSE ${worst.nrmse} of batch ${worst.batchA} on ${worst.path}, at most ${mostNrmse} expected`;
  return undefined;
}

/**
 * The report for people: one line a part, then what the correctness program printed.
 * @param {object} report as it is written to the JSON file
 * @returns {string}
 */
export function reportText({ about, doctor, verify, sessions, check, provider }) {
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
    `recorded, replayed, run again, compared with cpu: ${how(sessions)}`,
    ...comparedText(sessions),
    '',
    check.output ?? '',
    provider.output,
  ].join('\n');
}

/** What the comparison of the recordings found, for people. */
function comparedText({ rerun, compare }) {
  const again = rerun.json?.rerun;
  const values = compare.json?.values;
  if (!again || !values) return [];
  const { equalDecisions, equalInputs, worst } = values;
  const largest = worst ? `, largest NRMSE ${worst.nrmse.toExponential(2)} (${worst.path})` : '';
  return [
    `  run again: ${again.identical} of ${again.answers} answers identical`,
    `  against the cpu provider: ${equalDecisions} of ${equalInputs} decision chains equal${largest}`,
  ];
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
  if (why) throw new Error(`the cuda provider cannot be built: ${why}; install the CUDA toolkit 13.0 or newer`);
  await buildNative({ tests: true, cuda: true });
  await buildBundles();
}

async function nvccVersion() {
  const nvcc = findNvcc();
  return nvcc ? ((await ask(nvcc, ['--version'])).match(/release .+/)?.[0] ?? 'of an unknown version') : 'none here';
}

async function main({ folder, built }) {
  if (built) requireBuilt();
  else await build();
  const demo = await ensureDemo();

  const { version } = JSON.parse(readFileSync(inRepository('package.json'), 'utf8'));
  const query = 'name,driver_version,clocks.max.sm,clocks.max.memory,power.limit,ecc.mode.current';
  const about = {
    version,
    commit: await ask('git', ['describe', '--always', '--dirty']),
    date: new Date().toISOString(),
    system: `${process.platform} ${release()}`,
    nvidiaSmi: await ask('nvidia-smi', [`--query-gpu=${query}`, '--format=csv,noheader']),
    nvcc: await nvccVersion(),
    built: built ? 'earlier' : 'now',
  };
  const doctor = await moescope(['doctor'], 120);
  console.log('\n== correctness of the kernels');
  const check = await checkKernels();
  console.log('\n== the provider library');
  const provider = await checkProvider();
  console.log('\n== verify on the demo layer');
  const verify = await moescope(['verify', demo, '--provider', 'cuda'], commandLimitS);
  console.log('\n== recordings of the demo layer');
  const sessions = await checkSessions(demo);
  const report = { about, doctor, check, provider, verify, sessions };

  mkdirSync(folder, { recursive: true });
  const [json, text] = ['json', 'txt'].map((ending) => join(folder, `moescope-cuda-report.${ending}`));
  const anonymous = (words) => words.replaceAll(homedir(), '~');
  writeFileSync(json, `${anonymous(JSON.stringify(report, null, 2))}\n`);
  writeFileSync(text, `${anonymous(reportText(report))}\n`);
  const failed = [check, provider, verify, sessions].filter(({ failure }) => failure).length;
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

if (isMain(import.meta.url)) {
  await tellAndExit(() => {
    const { values, positionals } = parseArgs({
      options: { built: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    return main({ folder: resolve(positionals[0] ?? '.'), built: values.built });
  });
}
