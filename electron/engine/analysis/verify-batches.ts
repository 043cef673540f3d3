/** Batches for `verify`, and bit comparison of outputs. */
import { AppError } from '../../contract/errors';
import type { BatchTensors } from '../layer/wrapper';
import type { NativeBinding, RunResult } from '../native/binding';
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

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
