// Our cpu provider against ggml, torch and the speed at which this machine reads memory, in turns in one run.
import { cpus, loadavg, release, totalmem } from 'node:os';
import { failureOf, runChild } from '../toolchain/child.mjs';
import { inRepository } from '../toolchain/places.mjs';
import { ensureGgmlBench } from './ggml.mjs';
import { buildCpuBench } from './programs.mjs';
import { quantile } from './quantile.mjs';
import { ensureTorch } from './torch.mjs';

const shape = { name: 'qwen3-30b-a3b', hidden: 2048, intermediate: 768, experts: 128, topK: 8 };
/** FP4 weights and one E4M3 scale for 16 of them: 0.5625 bytes a weight. */
const expertBytes = (3 * shape.hidden * shape.intermediate * 9) / 16;

/** Kernels as FlashInfer's b12x dispatch takes them for these routed pairs; runs: of one process, in each round. */
const cases = [
  { tokens: 1, kernel: 'direct-micro', runs: 30 },
  { tokens: 8, kernel: 'static', runs: 12 },
  { tokens: 64, kernel: 'static', runs: 5 },
  { tokens: 512, kernel: 'dynamic', runs: 2 },
];
const peers = ['nvfp4', 'mxfp4', 'mxfp4-repack'];
/** torch over weights dequantised to these types. */
const torchTypes = ['bf16', 'fp32'];
const threads = cpus().length;

async function measure(program, args, env = process.env) {
  const result = await runChild(program, args.map(String), { limitS: 600, quiet: true, env });
  const failure = failureOf(result);
  const line = result.output.split('\n').find((text) => text.startsWith('{'));
  if (failure || !line) throw new Error(`${program} ${args.join(' ')}: ${failure ?? 'no figures'}\n${result.output}`);
  return JSON.parse(line);
}

/** @returns {Promise<object | undefined>} where torch can be imported; undefined, with a word why, where it cannot be had. */
async function torchIfAny() {
  try {
    return await ensureTorch();
  } catch (error) {
    console.log(`torch is left out: ${error.message}`);
    return undefined;
  }
}

/** Keeps what runs of the same name measured. */
class Samples {
  #byName = new Map();
  add(name, { us, processor_us: processor = [], unique_experts: unique = [] }) {
    const all = this.#byName.get(name) ?? { us: [], processor: [], unique: [] };
    all.us.push(...us);
    all.processor.push(...processor);
    all.unique.push(...unique);
    this.#byName.set(name, all);
  }
  of(name) {
    const { us, processor } = this.#byName.get(name);
    const round = (value) => Math.round(value * 10) / 10;
    return {
      median: round(quantile(us, 0.5)),
      p10: round(quantile(us, 0.1)),
      p90: round(quantile(us, 0.9)),
      processorMedian: processor.length > 0 ? round(quantile(processor, 0.5)) : undefined,
      runs: us.length,
    };
  }
  unique(name) {
    const { unique } = this.#byName.get(name);
    return unique.reduce((sum, count) => sum + count, 0) / unique.length;
  }
}

/**
 * @param {{ date: string, commit: string }} facts
 * @param {{ rounds: number }} options rounds: everything is measured once in each, so that a busy minute meets all alike.
 * @returns {Promise<object>} a section of docs/performance.json.
 */
export async function measureCpu(facts, { rounds }) {
  const ours = await buildCpuBench();
  const ggml = await ensureGgmlBench();
  const torch = await torchIfAny();
  let torchVersion;
  const measureTorch = async (type, common) => {
    const script = inRepository('scripts', 'bench', 'cpu', 'torch_layer.py');
    const line = await measure('python3', [script, '--kind', type, '--threads', threads, ...common], torch);
    torchVersion = line.torch;
    return line;
  };
  const samples = new Samples();
  const loadBefore = loadavg()[0];
  for (let round = 1; round <= rounds; round += 1) {
    console.log(`cpu: round ${round} of ${rounds}`);
    for (const count of new Set([1, threads])) {
      samples.add(`read ${count}`, await measure(ours, ['--kind', 'read', '--runs', 5, '--threads', count]));
    }
    for (const { tokens, kernel, runs } of cases) {
      const common = ['--tokens', tokens, '--runs', runs];
      samples.add(`ours ${tokens}`, await measure(ours, ['--kind', kernel, ...common]));
      for (const kind of peers) samples.add(`${kind} ${tokens}`, await measure(ggml, ['--kind', kind, ...common]));
      if (!torch) continue;
      for (const type of torchTypes) samples.add(`torch ${type} ${tokens}`, await measureTorch(type, common));
    }
  }
  const readBytes = 340 * 2 ** 20;
  const gigabytes = (bytes, us) => Math.round(bytes / us / 10) / 100;
  const read = [...new Set([1, threads])].map((count) => {
    const times = samples.of(`read ${count}`);
    return { threads: count, us: times, gbPerS: gigabytes(readBytes, times.median) };
  });
  const bandwidth = Math.max(...read.map(({ gbPerS }) => gbPerS));
  const rows = cases.map(({ tokens, kernel }) => {
    const uniqueExperts = samples.unique(`ours ${tokens}`);
    const bytes = uniqueExperts * expertBytes;
    const us = samples.of(`ours ${tokens}`);
    const row = { tokens, kernel, uniqueExperts, bytes, us, gbPerS: gigabytes(bytes, us.median) };
    const beside = Object.fromEntries(peers.map((kind) => [kind, samples.of(`${kind} ${tokens}`)]));
    const torchBeside =
      torch && Object.fromEntries(torchTypes.map((type) => [type, samples.of(`torch ${type} ${tokens}`)]));
    const timesGgml = beside.nvfp4.median / us.median;
    return { ...row, ofBandwidth: row.gbPerS / bandwidth, ggml: beside, torch: torchBeside, timesGgml };
  });
  const machine = {
    name: cpus()[0].model,
    cores: threads,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `Linux ${release()}`,
  };
  const load = { before: loadBefore, after: loadavg()[0] };
  return { kind: 'cpu', machine, ...facts, load, rounds, shape, torch: torchVersion, read, bandwidth, rows };
}
