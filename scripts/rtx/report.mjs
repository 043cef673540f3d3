// The report of scripts/check-rtx.mjs: what it says for people, and where it is written.
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../toolchain/places.mjs';

/** The variables that change which kernels run, on which GPU and how: they belong to what was measured. */
const settings = [
  'CUDA_VISIBLE_DEVICES',
  'MOESCOPE_CUDA_BODY',
  'MOESCOPE_CUDA_L2',
  'MOESCOPE_DIRECT_MICRO_SCALE',
  'MOESCOPE_SIMD',
];

/** Those of them that are set. @returns {Record<string, string>} */
export const settingsOf = (env) =>
  Object.fromEntries(settings.filter((name) => env[name]).map((name) => [name, env[name]]));

/**
 * Why nothing can be checked on this machine.
 * @param {{ failure?: string, json: object | null }} doctor how `moescope doctor --json` ended and what it said
 * @returns {string | undefined} undefined when the cuda provider has a GPU that it runs on
 */
export function objectionOf({ failure, json }) {
  const cuda = json?.providers?.find(({ name }) => name === 'cuda');
  if (cuda?.device?.available) return undefined;
  if (cuda?.device) return cuda.device.reason;
  if (cuda?.error) return [cuda.error.message, cuda.error.remedy].filter(Boolean).join('; ');
  return `moescope doctor ${failure ?? 'says nothing of the cuda provider'}`;
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

const how = ({ failure, seconds }) => `${failure ?? 'ended well'} (${seconds.toFixed(0)} s)`;

function checkedText({ verify, sessions, check, provider }) {
  const items = verify.json?.items?.map(({ status, name, reason }) => `  ${status}: ${name}: ${reason}`) ?? [];
  return [
    `correctness program: ${how(check)}`,
    `provider library: ${how(provider)}`,
    `verify on the demo layer: ${how(verify)}`,
    ...items,
    `recorded, replayed, run again, compared with cpu: ${how(sessions)}`,
    ...comparedText(sessions),
    '',
    check.output,
    provider.output,
  ];
}

/**
 * The report for people: one line a part, then what the programs printed.
 * @param {object} report as it is written to the JSON file; with `objection` nothing was checked
 * @returns {string}
 */
export function reportText(report) {
  const { about, doctor, objection } = report;
  const cuda = doctor.json?.providers?.find(({ name }) => name === 'cuda');
  const set = Object.entries(about.settings).map(([name, value]) => `set: ${name}=${value}`);
  return [
    `MoEscope ${about.version}, commit ${about.commit}, ${about.date}`,
    objection ? `nothing was checked: ${objection}` : `GPU: ${cuda.device.name}, driver ${cuda.device.driver}`,
    `system: ${about.system}`,
    `nvidia-smi: ${about.nvidiaSmi}`,
    `nvcc: ${about.nvcc}`,
    ...set,
    ...(objection ? [] : checkedText(report)),
  ].join('\n');
}

/** Without the folders of this user and this checkout: they say nothing and may hold a name. */
export function anonymous(words, { checkout = repository, home = homedir() } = {}) {
  const cut = words.replaceAll(checkout, '.');
  return home.length > 1 ? cut.replaceAll(home, '~') : cut;
}

/** Makes the folder of the report. @throws Error when it cannot be written: better now than after the checks. */
export function requireWritable(folder) {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw new Error(`the report cannot be written to ${folder} (${error.code}); name a folder that can`);
  }
}

/** Writes both files. @returns {string[]} their paths: JSON, text. */
export function writeReport(folder, report) {
  const [json, text] = ['json', 'txt'].map((ending) => join(folder, `moescope-cuda-report.${ending}`));
  writeFileSync(json, `${anonymous(JSON.stringify(report, null, 2))}\n`);
  writeFileSync(text, `${anonymous(reportText(report))}\n`);
  return [json, text];
}
