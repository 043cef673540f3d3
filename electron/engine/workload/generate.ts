/** Batches made from a seed: the same (workload, index, layer) gives the same bits on every machine. */
import type { LayerShape, Routing } from '../../contract/layer';
import { type Workload, WorkloadSchema } from '../../contract/session';
import type { NativeBinding } from '../native/binding';
import { popularityOffsets } from './popularity';
import { seedOf, streams } from './random';
import { type Phase, phaseOf, tokensOf } from './tokens';

/** One batch before it runs: x BF16 [T, H], topkIds I32 [T, k], topkWeights F32 [T, k]. */
export interface BatchInput {
  index: number;
  tokens: number;
  phase: Phase;
  x: Uint16Array;
  topkIds: Int32Array;
  topkWeights: Float32Array;
}

/** What the router of a layer is: its shape, scoring and, for sigmoid routers that have one, the correction bias F32 [E]. */
export interface Router {
  shape: LayerShape;
  routing: Routing;
  correctionBias: Float32Array | null;
}

export const defaultWorkload: Workload = WorkloadSchema.parse({ kind: 'mix' });

function bf16ToFloat32(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16;
  return new Float32Array(words.buffer);
}

/**
 * Batch `index` of a workload. Inputs are N(0, sigma) in BF16; router logits are N(0, 1) plus the Zipf offset of each
 * expert, and go through the checkpoint's own routing (softmax, sigmoid with bias, groups).
 * @param tokens overrides the workload's token count
 */
export async function generateBatch(
  binding: Pick<NativeBinding, 'randomNormalBf16' | 'route'>,
  router: Router,
  workload: Workload,
  index: number,
  tokens = tokensOf(workload, index),
): Promise<BatchInput> {
  const { shape, routing, correctionBias } = router;
  const [x, noise] = await Promise.all([
    binding.randomNormalBf16(tokens * shape.hidden, seedOf(workload.seed, index, streams.input), workload.sigma),
    binding.randomNormalBf16(tokens * shape.experts, seedOf(workload.seed, index, streams.logits), 1),
  ]);
  const logits = bf16ToFloat32(noise);
  if (workload.skew > 0) {
    const offsets = popularityOffsets(shape.experts, workload.skew, workload.seed);
    for (let i = 0; i < logits.length; i++) logits[i] = (logits[i] as number) + (offsets[i % shape.experts] as number);
  }
  const { topkIds, topkWeights } = binding.route({
    logits,
    tokens,
    experts: shape.experts,
    topK: shape.topK,
    scoring: routing.scoring,
    bias: routing.correctionBias ? correctionBias : null,
    renormalize: routing.renormalize,
    scale: routing.scale,
    groups: routing.groups,
    topGroups: routing.topGroups,
  });
  return { index, tokens, phase: phaseOf(tokens), x, topkIds, topkWeights };
}
