// A GPU's part of docs/performance.md.
import { profilePart } from './profiles.mjs';
import { hit, percent, table, us } from './table.mjs';

/** Goals of one layer of Qwen3-30B-A3B, microseconds by tokens. */
const reach = {
  H100: { 1: 13, 8: 62, 64: 145, 512: 200, 4096: 800, 8192: 1500 },
  H200: { 1: 11, 8: 46, 64: 104, 512: 160, 4096: 750, 8192: 1400 },
};
/** Measured on these cards: GB/s of a large copy and TFLOP/s of a large bf16 GEMM. What the floor is made of. */
const ceilings = { H100: { gbPerS: 3030, tflops: 753 }, H200: { gbPerS: 4280, tflops: 799 } };
/** Other shapes: share of the streamer to reach at 8 and 64 tokens. */
const otherReach = 0.7;

const ranOurs = ({ ours }, tokens) =>
  ours.filter((one) => one.tokens === tokens && !one.failed).sort((a, b) => a.us - b.us);
const peersAt = ({ peers }, tokens) => peers.find((one) => one.tokens === tokens && !one.failed);
/** Of the time itself where the work is known: the family's own figure is rounded already. */
function tflops(best, found) {
  const value = found ? found.flops / best.us / 1e6 : best.tflops;
  return value.toFixed(value < 10 ? 1 : 0);
}
const peer = (found, start) => found?.peers.find((one) => one.peer.startsWith(start));

function gpuRow(entry, tokens, card) {
  const [best] = ranOurs(entry, tokens);
  const found = peersAt(entry, tokens);
  const ceiling = ceilings[card];
  const goal = entry.shape === 'qwen3-30b-a3b' ? reach[card]?.[tokens] : undefined;
  const streamer = Math.min(peer(found, 'streamer')?.us.median ?? Infinity, best?.streamer_us ?? Infinity);
  const floor = ceiling && found && Math.max(found.bytes / ceiling.gbPerS / 1e3, found.flops / ceiling.tflops / 1e6);
  const times = (one) => (one?.failed ? 'failed' : one ? us(one.us.median) : '-');
  const against = () => {
    if (goal !== undefined) return [String(goal), best ? hit(best.us <= goal) : 'not run'];
    const wanted = entry.shape !== 'qwen3-30b-a3b' && (tokens === 8 || tokens === 64);
    return wanted
      ? [`${percent(otherReach)} of streamer`, best ? hit(streamer / best.us >= otherReach) : 'not run']
      : ['-', '-'];
  };
  return [
    tokens,
    found?.unique_experts ?? best?.unique_experts ?? '-',
    floor ? us(floor) : '-',
    Number.isFinite(streamer) ? us(streamer) : '-',
    times(peer(found, 'torch')),
    times(peer(found, 'triton')),
    times(peer(found, 'humming')),
    best ? `${us(best.us)} (${us(best.p10)} .. ${us(best.p90)})` : '-',
    best?.family ?? '-',
    best && floor ? percent(floor / best.us) : '-',
    best && Number.isFinite(streamer) ? percent(streamer / best.us) : '-',
    best ? tflops(best, found) : '-',
    best ? (best.deterministic ? 'yes' : 'no') : '-',
    ...against(),
  ];
}

const head = [
  'T',
  'experts',
  'floor',
  'streamer',
  'torch bf16',
  'triton W4A16',
  'humming W4A16',
  'ours',
  'kernels',
  'of floor',
  'of streamer',
  'TFLOP/s',
  'deterministic',
  'goal',
  '',
];

function shapeTable(entry, card) {
  const tokens = [...new Set([...entry.ours, ...entry.peers].map((one) => one.tokens))].sort((a, b) => a - b);
  const rows = tokens.map((count) => gpuRow(entry, count, card));
  return `### ${entry.shape}\n\n${table(head, rows)}`;
}

/** What the column of Humming holds, or why it is empty. */
function hummingLine(shapes) {
  const rows = shapes.flatMap((entry) => entry.peers.map((found) => peer(found, 'humming'))).filter(Boolean);
  const ran = rows.find((one) => !one.failed);
  if (ran) {
    const worst = Math.max(...rows.filter((one) => !one.failed).map((one) => one.nrmse_to_torch));
    return `humming W4A16: ${ran.peer.split(' ').slice(0, 2).join(' ')}, tiles by its own heuristics, rows sorted or gathered (the faster counts); sort, activation and sum over slots are small kernels of ours; NRMSE against torch at most ${worst.toFixed(4)}.`;
  }
  return rows.length > 0 ? `humming W4A16 did not run: ${rows[0].failed}.` : 'Humming was not in this run.';
}

/** " of N", from the peers' own figures; ours are timed as often. */
function runsOf(shapes) {
  const runs = shapes[0]?.peers?.[0]?.peers?.[0]?.us?.runs;
  return runs ? ` of ${runs}` : '';
}

/** One GPU section of docs/performance.json as Markdown: of each row the fastest family counts. */
export function gpuSection(section) {
  const {
    machine,
    date,
    commit,
    shapes = [],
    clocks_after: clocks = {},
    notes = [],
    profiles = [],
    tried = [],
  } = section;
  const card = Object.keys(ceilings).find((name) => machine.name.includes(name));
  const after = [
    profilePart(profiles, tried),
    notes.length > 0 ? `### What the figures do not show\n\n${notes.map((note) => `- ${note}`).join('\n')}` : '',
  ].filter((part) => part !== '');
  return `## GPU: ${machine.name}

${date}, commit ${commit}; driver ${machine.driver_version}, CUDA ${machine.cuda}, torch ${machine.torch}; SM clock at most ${machine['clocks.max.sm']}, ${clocks['clocks.sm']} at the end; memory ${machine['clocks.max.mem']}; power limit ${machine['power.limit']}.
Microseconds of a whole layer: CUDA graph replay, L2 flushed before each, one uniform routing for all, median (10th .. 90th percentile)${runsOf(shapes)}.
Ours quantises the activations too (W4A4); the W4A16 peers leave them in bf16. torch bf16: \`torch._grouped_mm\` over dequantised weights, sorting and gathering included. triton W4A16: our own kernels that decode NVFP4 inside, best of several tiles.
${hummingLine(shapes)} Marlin, one of the kernels that Humming names as its models, was not built.
${card ? `Floor: the larger of the used experts' bytes at ${ceilings[card].gbPerS} GB/s and the arithmetic at ${ceilings[card].tflops} TFLOP/s (bf16), both measured on such a card. ` : ''}Streamer: a kernel that only reads those bytes. Deterministic: 20 runs, one result.

${[...shapes.map((entry) => shapeTable(entry, card)), ...after].join('\n\n')}
`;
}
