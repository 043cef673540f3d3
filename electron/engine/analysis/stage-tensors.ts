/** What each stage of the pipeline is, from the taps of an answer: quantized stages are dequantized so that they can be compared. */
import type { Stage } from '../../contract/batch';
import type { Contract } from '../../contract/layer';
import type { NativeBinding, NativeTensor } from '../native/binding';
import type { Answer, RunPath, Source, Unavailable } from '../run/source';

/** Taps that make a stage; two of them are codes and block scales. */
export const tapsOf: Record<Stage, readonly [string] | readonly [string, string]> = {
  input: ['x_q', 'x_sf'],
  fc1: ['fc1'],
  activation: ['act'],
  requantized: ['act_q', 'act_sf'],
  fc2: ['fc2'],
  output: ['y'],
};

/**
 * Global scale (small form) with which a path quantizes the input of FC1 or FC2 under a contract: value = code * SF * scale.
 * CUTLASS always takes the checkpoint's input scale; b12x takes 1 under `unit-alpha`.
 */
export function activationScale(contract: Contract, path: RunPath, scale: number | null): number {
  return path === 'b12x' && contract === 'unit-alpha' ? 1 : (scale ?? 1);
}

/** Dequantized stages live as long as the taps that they were made of. */
const dequantized = new WeakMap<NativeTensor, Promise<NativeTensor>>();

/** What a stage needs to know of where its answer comes from. */
export type StageOrigin = Pick<Source, 'kind' | 'contract' | 'activationScales'>;

/** Stage of an answer as one tensor [rows, columns]; a reason where its taps are not there. */
export async function stageTensor(
  binding: Pick<NativeBinding, 'dequantize'>,
  source: StageOrigin,
  answer: Pick<Answer, 'side' | 'path' | 'tensors'>,
  stage: Stage,
): Promise<NativeTensor | Unavailable> {
  const found: NativeTensor[] = [];
  for (const tap of tapsOf[stage]) {
    const tensor = answer.tensors[tap];
    if (!tensor) {
      const reason =
        source.kind === 'replay'
          ? `The recording holds no tap "${tap}" of ${answer.side}; record with taps.`
          : `Provider of ${answer.side} has no tap "${tap}".`;
      return { reason };
    }
    found.push(tensor);
  }
  const [codes, scales] = found as [NativeTensor, NativeTensor | undefined];
  if (!scales) return codes;
  let made = dequantized.get(codes);
  if (!made) {
    const { a1, a2 } = source.activationScales;
    made = binding.dequantize(
      codes,
      scales,
      activationScale(source.contract, answer.path, stage === 'input' ? a1 : a2),
    );
    dequantized.set(codes, made);
    made.catch(() => dequantized.delete(codes));
  }
  return made;
}

/** Rows and columns of a stage tensor: the last dimension and all before it. */
export function stageShape(tensor: NativeTensor): { rows: number; columns: number } {
  const { shape } = tensor.info();
  const columns = shape[shape.length - 1] ?? 1;
  return { rows: shape.slice(0, -1).reduce((product, size) => product * size, 1), columns };
}
