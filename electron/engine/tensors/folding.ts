/**
 * What a scale contract folds into stored block scales, so that a ratio of 1 means "as the contract says": b12x stores
 * e4m3(SF * s2) under `unit-alpha` and `activation-alpha`, the checkpoint's SF under `clean`; CUTLASS always the
 * checkpoint's.
 */
import type { Contract } from '../../contract/layer';
import { activationScale } from '../analysis/stage-tensors';
import type { Source, SourceTensor } from '../run/source';

const folds = (contract: Contract, { set, role }: Pick<SourceTensor, 'set' | 'role'>) =>
  set === 'b12x' && role === 'block-scale' && contract !== 'clean';

/** For the list of tensors: what ratio 1 against the checkpoint means. Empty for everything but block scales of a layer. */
export function foldNote(contract: Contract, entry: Pick<SourceTensor, 'set' | 'role'>): string {
  if (entry.role !== 'block-scale' || entry.set === 'batch' || entry.set === 'checkpoint') return '';
  return folds(contract, entry)
    ? 'ratio 1 = exactly checkpoint SF * weight_scale_2, before rounding to E4M3'
    : 'ratio 1 = exactly the checkpoint SF';
}

/** FC1's names begin with w13 or w1, FC2's with w2. */
const layerOf = (name: string) => (name.startsWith('w2') ? 'w2' : 'w13');

/** weight_scale_2 of one expert as the checkpoint has it (small form); null where the source has no such tensor. */
export function weightScale2(tensors: readonly SourceTensor[], name: string, plane: number): number | null {
  const wanted = `${layerOf(name)}_weight_scale_2`;
  const found = tensors.find((entry) => entry.set === 'checkpoint' && entry.name === wanted);
  return found ? found.tensor.pick(plane, 0, 0).value : null;
}

/** The factor that the contract folded into a tensor's values of one plane, relative to the checkpoint. */
export function foldedFactor(
  contract: Contract,
  tensors: readonly SourceTensor[],
  entry: SourceTensor,
  plane: number,
): number {
  return folds(contract, entry) ? (weightScale2(tensors, entry.name, plane) ?? 1) : 1;
}

/** What FP4 codes are multiplied with beside their block scale: value = code * SF * this. Null where it is not known. */
export function globalScaleOf(
  source: Source,
  tensors: readonly SourceTensor[],
  entry: SourceTensor,
  plane: number,
): number | null {
  if (entry.set === 'batch') {
    const path = entry.name.startsWith('cutlass.') ? 'cutlass' : 'b12x';
    const { a1, a2 } = source.activationScales;
    return activationScale(source.contract, path, entry.name.endsWith('.x_sf') ? a1 : a2);
  }
  return folds(source.contract, entry) ? 1 : weightScale2(tensors, entry.name, plane);
}
