// The CPU's part of docs/performance.md.
import { hit, ms, percent, spread, table } from './table.mjs';

/** Goals, shares and factors. */
const cpuReach = { bandwidthAt1: 0.75, ggmlAt1: 1, ggmlAt64: 3 };

/** One CPU section of docs/performance.json as Markdown. */
export function cpuSection({ machine, date, commit, load, rounds, shape, torch, read, bandwidth, rows }) {
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
${torch ? `torch ${torch}: F.linear for each expert in use over weights dequantised to bf16 and fp32 beforehand, so it reads 3.6 and 7.1 times our bytes.` : 'torch was not at hand.'}

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
    'torch bf16',
    'torch fp32',
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
    one.torch ? beside(one.torch.bf16) : '-',
    one.torch ? beside(one.torch.fp32) : '-',
    `${one.timesGgml.toFixed(2)} x`,
  ]),
)}
${busy}
${table(['', 'goal', 'medians', '', '10th percentiles', ''], goals)}
`;
}
