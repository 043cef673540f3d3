/** Batches for `verify`, and what their outputs are compared by. */
import { AppError } from '../../contract/errors';
import type { LoadedLayer } from '../layer/load-layer';
import type { BatchTensors } from '../layer/wrapper';
import type { NativeBinding, Provider, RunResult } from '../native/binding';
import { defaultWorkload, generateBatch, type Router } from '../workload/generate';

export type BatchMaker = (tokens: number) => Promise<BatchTensors>;

/** x ~ N(0, 1), random logits through the checkpoint's routing; the same token count gives the same batch. */
export function batchMaker(binding: NativeBinding, router: Router, seed: number): BatchMaker {
  const workload = { ...defaultWorkload, seed, sigma: 1, skew: 0 };
  const made = new Map<number, Promise<BatchTensors>>();
  return (tokens) => {
    let batch = made.get(tokens);
    if (!batch) {
      batch = generateBatch(binding, router, workload, tokens, tokens);
      made.set(tokens, batch);
    }
    return batch;
  };
}

/** Bytes of "y". Outputs of `verify` are far below the addon's limit of 64 MiB a read. */
export function outputBits(result: RunResult): Uint8Array {
  const { y } = result.tensors;
  if (!y) throw new AppError({ code: 'internal', message: 'The provider returned no output "y".' });
  return y.read(0, y.info().bytes);
}

/** How far output "y" of `actual` is from that of `wanted`: ||actual - wanted|| / ||wanted||, and their cosine. */
export async function outputDistance(
  binding: NativeBinding,
  actual: RunResult,
  wanted: RunResult,
): Promise<{ nrmse: number; cosine: number }> {
  const { nrmse, cosine } = await binding.compare(actual.tensors.y!, wanted.tensors.y!, { rtol: 0, atol: 0, worst: 0 });
  return { nrmse, cosine };
}

/** Whether a layer of this quantization runs on both of the provider's paths. */
export function hasBothPaths(layer: LoadedLayer, provider: Provider): boolean {
  return layer.plan.quantization === 'nvfp4' && provider.capabilities().cutlassPrefillThreshold;
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
