// Random layers of three shapes, as checkpoints have them, and batches for them.
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** H hidden, I intermediate, E experts, k top-k: the proportions of the models, small. */
export const shapes = {
  qwen: { hidden: 256, intermediate: 256, experts: 8, topK: 4, gated: true, activation: 'silu' },
  nemotron: { hidden: 256, intermediate: 256, experts: 8, topK: 3, gated: false, activation: 'relu2' },
  partial: { hidden: 256, intermediate: 352, experts: 4, topK: 2, gated: true, activation: 'silu' },
};

/** Largest FP4 code times largest E4M3 scale: input_scale = amax / 2688 (ModelOpt). */
const formatMax = 2688;

/** Documented pipelines that faults are planted in. Direct micro runs under unit-alpha, where its published scale role is harmless. */
export const pipelines = [
  { contract: 'clean', model: { path: 'b12x', kernel: 'static', tileM: 64, tileN: 128 } },
  { contract: 'clean', model: { path: 'b12x', kernel: 'dynamic', tileM: 128, tileN: 128 } },
  { contract: 'clean', model: { path: 'cutlass', kernel: 'cutlass', tileM: 128, tileN: 128 } },
  { contract: 'unit-alpha', model: { path: 'b12x', kernel: 'direct-micro', tileM: 0, tileN: 0 }, mostTokens: 8 },
];

/** The bf16 number at or below: amax is one of the bf16 activations, which is what puts values on exact rounding ties. */
function bf16Below(value) {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0] &= 0xffff0000;
  return new Float32Array(bits.buffer)[0];
}

async function projection(binding, rows, columns, experts, seed, sigma, place) {
  const made = [];
  for (let e = 0; e < experts; e++)
    made.push(await binding.makeProjection({ rows, columns, seed: BigInt(seed + e), sigma, scales: 'realistic' }));
  return {
    file: new Int32Array(experts),
    packed: Float64Array.from(made, ({ packed }) => place(packed)),
    scaleFile: new Int32Array(experts),
    scale: Float64Array.from(made, ({ scale }) => place(scale)),
    s2: Float32Array.from(made, ({ s2 }) => s2),
  };
}

/**
 * Weights ~ N(0, 1 / sqrt(K)) per expert, x ~ N(0, sigma) with sigma from 0.5 to 32, input scales calibrated on this batch with
 * a little headroom, as ModelOpt does on its own.
 * @param numbers randomNumbers(seed)
 * @returns {Promise<{ checkpoint, batch, shape }>}
 */
export async function randomCase(binding, shape, tokens, numbers) {
  const { hidden, intermediate, experts, topK, gated, activation } = shape;
  const pieces = [];
  let size = 0;
  const place = (bytes) => {
    pieces.push(bytes);
    size += bytes.length;
    return size - bytes.length;
  };
  const make = (rows, columns) =>
    projection(binding, rows, columns, experts, numbers.seed(), 1 / Math.sqrt(columns), place);
  const gate = gated ? await make(intermediate, hidden) : null;
  const up = await make(intermediate, hidden);
  const down = await make(hidden, intermediate);
  // gate and up share weight_scale_2, as calibrated checkpoints of vLLM's kernels do; else merging re-rounds gate or up.
  if (gate) gate.s2 = up.s2;
  const path = join(tmpdir(), `moescope-fault-${process.pid}-${numbers.seed()}.bin`);
  writeFileSync(path, Buffer.concat(pieces));
  const file = await binding.mapFile(path);
  const sigma = numbers.pick([0.5, 1, 4, 32]);
  const x = await binding.randomNormalBf16(tokens * hidden, BigInt(numbers.seed()), sigma);
  const batch = { tokens, x, ...randomRouting(tokens, experts, topK, numbers) };
  const assemble = (a1, a2) =>
    binding.assembleLayer({
      ...{ hidden, intermediate, experts, topK, gated, activation, swigluAlpha: 1.702, swigluLimit: 0 },
      convention: 'small',
      merge: 'max',
      files: [file],
      gate: gate && { ...gate, inputScale: new Float32Array(experts).fill(a1) },
      up: { ...up, inputScale: new Float32Array(experts).fill(a1) },
      down: { ...down, inputScale: new Float32Array(experts).fill(a2) },
    });
  try {
    const a1 = bf16Below(4.6 * sigma * (1 + 0.2 * numbers.next())) / formatMax;
    const trial = await assemble(a1, 1);
    const { tensors } = await binding.runDeviating({
      ...batch,
      checkpoint: trial,
      ...pipelines[0],
      deviations: [],
      seed: 0,
    });
    const [{ max, min }] = await tensors.act.stats();
    const a2 = bf16Below(Math.max(max, -min) * (1 + 0.2 * numbers.next())) / formatMax;
    return { checkpoint: await assemble(a1, a2), batch, shape };
  } finally {
    file.close();
    rmSync(path, { force: true });
  }
}

function randomRouting(tokens, experts, topK, numbers) {
  const topkIds = new Int32Array(tokens * topK);
  const topkWeights = new Float32Array(tokens * topK);
  for (let t = 0; t < tokens; t++) {
    const order = Array.from({ length: experts }, (_, e) => ({ e, key: numbers.next() })).sort((a, b) => a.key - b.key);
    const raw = order.slice(0, topK).map(() => 0.2 + numbers.next());
    const sum = raw.reduce((a, b) => a + b);
    for (let slot = 0; slot < topK; slot++) {
      topkIds[t * topK + slot] = order[slot].e;
      topkWeights[t * topK + slot] = raw[slot] / sum;
    }
  }
  return { topkIds, topkWeights };
}
