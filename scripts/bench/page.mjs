// docs/performance.md, made of docs/performance.json and nothing else.

/** Goals of one layer of Qwen3-30B-A3B, microseconds by tokens. */
const reach = {
  H100: { 1: 13, 8: 62, 64: 145, 512: 200, 4096: 800, 8192: 1500 },
  H200: { 1: 11, 8: 46, 64: 104, 512: 160, 4096: 750, 8192: 1400 },
};
/** Measured on these cards: GB/s of a large copy and TFLOP/s of a large bf16 GEMM. What the floor is made of. */
const ceilings = { H100: { gbPerS: 3030, tflops: 753 }, H200: { gbPerS: 4280, tflops: 799 } };
/** CPU goals, shares and factors. */
const cpuReach = { bandwidthAt1: 0.75, ggmlAt1: 1, ggmlAt64: 3 };
/** Other shapes: share of the streamer to reach at 8 and 64 tokens. */
const otherReach = 0.7;

const us = (value) => (value < 100 ? value.toFixed(1) : value.toFixed(0));
const ms = (value) => `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)}`;
const percent = (share) => `${(share * 100).toFixed(0)} %`;
const spread = ({ median, p10, p90 }, format) => `${format(median)} (${format(p10)} .. ${format(p90)})`;
const hit = (reached) => (reached ? 'hit' : 'missed');
const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

function cpuSection({ machine, date, commit, load, rounds, shape, read, bandwidth, rows }) {
  const beside = (times) => spread(times, ms);
  const at = (tokens) => rows.find((one) => one.tokens === tokens);
  /** Of medians and of the 10th percentiles, which other work on the machine disturbs least. */
  const goal = (tokens, text, wanted, format, share) => {
    const [middle, quick] = ['median', 'p10'].map((which) => share(at(tokens), which));
    return [`T = ${tokens}`, text, format(middle), hit(middle >= wanted), format(quick), hit(quick >= wanted)];
  };
  const readSpeed = (which) => Math.max(...read.map((speed) => (speed.gbPerS * speed.us.median) / speed.us[which]));
  const ofBandwidth = (one, which) => one.bytes / one.us[which] / 1e3 / readSpeed(which);
  const timesGgml = (one, which) => one.ggml.nvfp4[which] / one.us[which];
  const times = (value) => `${value.toFixed(2)} x`;
  const goals = [
    goal(1, `>= ${percent(cpuReach.bandwidthAt1)} of the read bandwidth`, cpuReach.bandwidthAt1, percent, ofBandwidth),
    goal(1, 'not slower than ggml NVFP4', cpuReach.ggmlAt1, times, timesGgml),
    goal(64, `>= ${cpuReach.ggmlAt64} x ggml NVFP4`, cpuReach.ggmlAt64, times, timesGgml),
  ];
  const busy =
    load.before >= 1
      ? "\nOther programs used the processors during this run: ggml's threads wait for each other by spinning and lose more by that than ours, which take the next piece of work instead. 10th percentiles are nearer to an idle machine's figures.\n"
      : '';
  return `## CPU: ${machine.name}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}

${date}, commit ${commit}; load average ${load.before.toFixed(1)} before and ${load.after.toFixed(1)} after (this work's own included). ${rounds} rounds, everything in turns in each.
Layer ${shape.name}: H${shape.hidden} I${shape.intermediate} E${shape.experts} k${shape.topK}, new uniform routing in each run, weights not in any cache, ${machine.cores} threads.
Memory is read at ${read.map((one) => `${one.gbPerS.toFixed(1)} GB/s with ${one.threads}`).join(', ')} threads; ${bandwidth.toFixed(1)} GB/s counts. Milliseconds: median (10th .. 90th percentile).
ggml (of llama-cpp-python 0.3.36, for this machine) runs three MUL_MAT_ID and SWIGLU; its router weights and sum over slots are left out. mxfp4-repack is its interleaved form.

${table(
  [
    'T',
    'kernel',
    'experts',
    'ours',
    'GB/s of weights',
    'of read bandwidth',
    'ggml nvfp4',
    'ggml mxfp4',
    'ggml mxfp4-repack',
    'ours against ggml nvfp4',
  ],
  rows.map((one) => [
    one.tokens,
    one.kernel,
    one.uniqueExperts.toFixed(1),
    beside(one.us),
    one.gbPerS.toFixed(1),
    percent(one.ofBandwidth),
    beside(one.ggml.nvfp4),
    beside(one.ggml.mxfp4),
    beside(one.ggml['mxfp4-repack']),
    `${one.timesGgml.toFixed(2)} x`,
  ]),
)}
${busy}
${table(['', 'goal', 'medians', '', '10th percentiles', ''], goals)}
`;
}

const ranOurs = ({ ours }, tokens) =>
  ours.filter((one) => one.tokens === tokens && !one.failed).sort((a, b) => a.us - b.us);
const peersAt = ({ peers }, tokens) => peers.find((one) => one.tokens === tokens && !one.failed);
const peer = (found, start) => found?.peers.find((one) => one.peer.startsWith(start));

function gpuRow(entry, tokens, card) {
  const [best] = ranOurs(entry, tokens);
  const found = peersAt(entry, tokens);
  const ceiling = ceilings[card];
  const goal = entry.shape === 'qwen3-30b-a3b' ? reach[card]?.[tokens] : undefined;
  const streamer = Math.min(peer(found, 'streamer')?.us.median ?? Infinity, best?.streamer_us ?? Infinity);
  const floor = ceiling && found && Math.max(found.bytes / ceiling.gbPerS / 1e3, found.flops / ceiling.tflops / 1e6);
  const times = (one) => (one ? us(one.us.median) : '-');
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
    best ? `${us(best.us)} (${us(best.p10)} .. ${us(best.p90)})` : '-',
    best?.family ?? '-',
    best && floor ? percent(floor / best.us) : '-',
    best && Number.isFinite(streamer) ? percent(streamer / best.us) : '-',
    best ? best.tflops.toFixed(0) : '-',
    best ? (best.deterministic ? 'yes' : 'no') : '-',
    ...against(),
  ];
}

function gpuSection({ machine, date, commit, shapes, clocks_after: clocks, notes = [] }) {
  const card = Object.keys(ceilings).find((name) => machine.name.includes(name));
  const tables = shapes.map((entry) => {
    const tokens = [...new Set([...entry.ours, ...entry.peers].map((one) => one.tokens))].sort((a, b) => a - b);
    const head = [
      'T',
      'experts',
      'floor',
      'streamer',
      'torch bf16',
      'triton W4A16',
      'ours',
      'kernels',
      'of floor',
      'of streamer',
      'TFLOP/s',
      'deterministic',
      'goal',
      '',
    ];
    return `### ${entry.shape}\n\n${table(
      head,
      tokens.map((count) => gpuRow(entry, count, card)),
    )}`;
  });
  return `## GPU: ${machine.name}

${date}, commit ${commit}; driver ${machine.driver_version}, CUDA ${machine.cuda}, torch ${machine.torch}; SM clock at most ${machine['clocks.max.sm']}, ${clocks['clocks.sm']} at the end; memory ${machine['clocks.max.mem']}; power limit ${machine['power.limit']}.
Microseconds of a whole layer: CUDA graph replay, L2 flushed before each, one uniform routing for all, median (10th .. 90th percentile) of 50.
torch bf16: \`torch._grouped_mm\` over dequantised weights, sorting and gathering included. triton W4A16: our own kernels that decode NVFP4 inside, best of several tiles. Marlin and Humming were not built.
${card ? `Floor: the larger of the used experts' bytes at ${ceilings[card].gbPerS} GB/s and the arithmetic at ${ceilings[card].tflops} TFLOP/s (bf16), both measured on such a card. ` : ''}Streamer: a kernel that only reads those bytes. Deterministic: 20 runs, one result.

${tables.join('\n\n')}
${notes.length > 0 ? `\n### What the figures do not show\n\n${notes.map((note) => `- ${note}`).join('\n')}\n` : ''}`;
}

/**
 * The page that docs/performance.json makes.
 * @param {{ sections: object[] }} measured what scripts/bench.mjs has merged
 * @returns {string} Markdown
 */
export function performancePage({ sections }) {
  const made = sections.map((section) => (section.kind === 'cpu' ? cpuSection(section) : gpuSection(section)));
  return `# How fast a layer runs

Written by \`npm run bench -- --cpu\` and \`npm run bench -- --gpu\` from docs/performance.json.

${made.join('\n')}`;
}
