// What ncu saw of each kernel of the profiled rows (scripts/bench/gpu/profile_kernels.py), and what was tried on them.
import { table, us } from './table.mjs';

const share = (value) => (value === null || value === undefined ? '-' : `${value.toFixed(0)} %`);
const count = (value) => (value === null || value === undefined ? '-' : String(value));
/** "long_scoreboard 43 %, barrier 12 %": why warps wait between two of their instructions. */
const waits = (stalls) => stalls.map(([reason, part]) => `${reason} ${(part * 100).toFixed(0)} %`).join(', ') || '-';

function kernelRow({ shape, tokens, commit }, kernel) {
  return [
    shape,
    tokens,
    kernel.kernel,
    kernel.us === null ? '-' : us(kernel.us),
    count(kernel.dram_gb_per_s),
    share(kernel.dram_pct),
    share(kernel.l2_pct),
    share(kernel.tensor_pct),
    share(kernel.issue_pct),
    share(kernel.occupancy_pct),
    count(kernel.registers),
    count(kernel.shared_kib),
    count(kernel.waves),
    waits(kernel.stalls),
    commit,
  ];
}

/** Smaller ones are left out of the table; docs/performance.json has them. */
const shownShare = 0.05;
function shown(kernels = []) {
  const whole = kernels.reduce((sum, { us: time }) => sum + time, 0);
  return kernels.filter(({ us: time }) => time >= shownShare * whole);
}

const head = [
  'shape',
  'T',
  'kernel',
  'us',
  'DRAM GB/s',
  'DRAM',
  'L2',
  'tensor pipe',
  'issue slots',
  'occupancy',
  'registers',
  'shared KiB',
  'waves',
  'warps wait for',
  'commit',
];

/**
 * @param {{ shape: string, family: string, tokens: number, commit: string, kernels?: object[], failed?: string }[]} profiles
 * @param {{ shape: string, tokens: number, text: string }[]} tried written by hand, one or more for a row.
 * @returns {string} Markdown; empty when there is neither.
 */
export function profilePart(profiles, tried) {
  if (profiles.length === 0 && tried.length === 0) return '';
  const rows = profiles.flatMap((one) => shown(one.kernels).map((kernel) => kernelRow(one, kernel)));
  const failures = profiles.filter((one) => one.failed);
  const parts = ['### What limits the missed rows'];
  if (rows.length > 0) {
    parts.push(
      'ncu on one replay, each kernel alone with empty caches, clocks as they were; kernels of at least 5 % of the time. Per cent of the peak; occupancy: of the warps that fit; waits: shares of the time between two instructions of a warp.',
      table(head, rows),
    );
  }
  if (failures.length > 0) {
    parts.push(failures.map((one) => `- ${one.shape}, T = ${one.tokens}: not profiled (${one.failed})`).join('\n'));
  }
  if (tried.length > 0) {
    parts.push(`Tried:\n\n${tried.map((one) => `- ${one.shape}, T = ${one.tokens}: ${one.text}`).join('\n')}`);
  }
  return parts.join('\n\n');
}
