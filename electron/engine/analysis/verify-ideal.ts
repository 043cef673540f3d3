/**
 * How far the provider's CUTLASS path is from the fp64 answer of the checkpoint itself (`ideal`), and why: the path rounds to
 * bf16 between its stages, which moves some values of FC2's input across an FP4 rounding boundary.
 */

import { runOnReference } from '../layer/reference';
import type { Provider, RunResult } from '../native/binding';
import type { VerifyContext } from './verify';
import { hasBothPaths, outputDistance } from './verify-batches';

export interface IdealDistance {
  tokens: number;
  nrmse: number;
  cosine: number;
  /** (token, slot) rows of FC2's input, and those with at least one other FP4 code or block scale than `ideal` */
  rows: number;
  flippedRows: number;
  /** share of the squared error of FC2's results that lies in those rows, 0 .. 1 */
  shareOfError: number;
  /** NRMSE of FC2's results over the other rows: what is left without a flip */
  nrmseWithoutFlips: number;
}

const taps = ['act_q', 'act_sf', 'fc2'];
/** Enough rows for shares, small enough for fp64 on one core. */
const tokens = 64;

/** null where CUTLASS cannot run or the provider has no taps to explain it with. */
export async function distanceToIdeal(context: VerifyContext, reference: Provider): Promise<IdealDistance | null> {
  const { layer, provider, binding } = context;
  const capabilities = provider.capabilities();
  if (!hasBothPaths(layer, provider)) return null;
  if (!taps.every((tap) => capabilities.taps.includes(tap))) return null;
  const cancel = context.cancel ? { cancel: context.cancel } : {};
  const batch = await context.batch(tokens);
  const wrapper = context.wrapper(Math.max(1, context.threshold.tokens));
  const ideal = await runOnReference({
    binding,
    provider: reference,
    layer,
    contract: 'ideal',
    rules: context.rules,
    taps,
    ...cancel,
  });
  try {
    const { result: actual } = await wrapper.run(batch, { force: 'cutlass', taps, ...cancel });
    const { result: exact } = await ideal.run(batch);
    const apart = await outputDistance(binding, actual, exact);
    return { tokens, ...apart, ...flips(actual, exact, tokens * layer.plan.shape.topK) };
  } finally {
    await ideal.close();
    await wrapper.destroy();
  }
}

function flips(
  actual: RunResult,
  exact: RunResult,
  rows: number,
): Pick<IdealDistance, 'rows' | 'flippedRows' | 'shareOfError' | 'nrmseWithoutFlips'> {
  const same = ['act_q', 'act_sf'].map((tap) => rowEquality(bytes(actual, tap), bytes(exact, tap), rows));
  const a = bytes(actual, 'fc2');
  const b = bytes(exact, 'fc2');
  const fc2 = new Float32Array(a.buffer, a.byteOffset, a.byteLength / 4);
  const wanted = new Float64Array(b.buffer, b.byteOffset, b.byteLength / 8);
  const width = fc2.length / rows;
  const sums = { flipped: 0, error: 0, errorWithout: 0, normWithout: 0 };
  for (let row = 0; row < rows; row++) {
    const equal = same.every((of) => of(row));
    if (!equal) sums.flipped++;
    for (let i = row * width; i < (row + 1) * width; i++) {
      const error = (fc2[i]! - wanted[i]!) ** 2;
      sums.error += error;
      if (!equal) continue;
      sums.errorWithout += error;
      sums.normWithout += wanted[i]! ** 2;
    }
  }
  return {
    rows,
    flippedRows: sums.flipped,
    shareOfError: sums.error > 0 ? 1 - sums.errorWithout / sums.error : 0,
    nrmseWithoutFlips: sums.normWithout > 0 ? Math.sqrt(sums.errorWithout / sums.normWithout) : 0,
  };
}

/** A copy with its own buffer, so that it can be read as wider numbers. */
function bytes(result: RunResult, tap: string): Uint8Array {
  const tensor = result.tensors[tap]!;
  const whole = new Uint8Array(tensor.info().bytes);
  const piece = 32 * 1024 * 1024;
  for (let offset = 0; offset < whole.length; offset += piece) {
    whole.set(tensor.read(offset, Math.min(piece, whole.length - offset)), offset);
  }
  return whole;
}

function rowEquality(a: Uint8Array, b: Uint8Array, rows: number): (row: number) => boolean {
  const width = a.length / rows;
  return (row) =>
    Buffer.compare(a.subarray(row * width, (row + 1) * width), b.subarray(row * width, (row + 1) * width)) === 0;
}
