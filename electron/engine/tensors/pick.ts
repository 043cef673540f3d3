/** One element of a tensor in all its addresses, with the same element in the other sets and the FP4 codes under its scale. */

import { AppError } from '../../contract/errors';
import type { PickReply } from '../../contract/tensor';
import type { CancelFlag, NativeBinding, Tile, TileRequest } from '../native/binding';
import type { Source, SourceTensor } from '../run/source';
import { findTensor, idOf } from './catalog';
import { foldedFactor, globalScaleOf } from './folding';
import { blockElements, logicalShape } from './logical-shape';

/** The name a tensor has in every set: w13_cutlass_weight_scale is w13_weight_scale. */
const plainName = (name: string) => name.replace('_cutlass_', '_');

function checkPlace(source: Source, { name, tensor }: SourceTensor, plane: number, row: number, column: number): void {
  const { planes, rows, columns } = logicalShape({ ...tensor.info(), name }, source.shape);
  for (const [what, value, limit] of [
    ['plane', plane, planes],
    ['row', row, rows],
    ['column', column, columns],
  ] as const) {
    if (value >= 0 && value < limit) continue;
    throw new AppError({
      code: 'out-of-bounds',
      message: `There is no ${what} ${value} in ${name}.`,
      subject: what,
      expected: `0 to ${limit - 1}`,
      found: String(value),
    });
  }
}

export async function pickElement(
  binding: NativeBinding,
  source: Source,
  {
    id,
    batch,
    plane,
    row,
    column,
  }: { id: string; batch?: number | undefined; plane: number; row: number; column: number },
  cancel?: CancelFlag,
): Promise<PickReply> {
  const entry = await findTensor(binding, source, id, batch, cancel);
  checkPlace(source, entry, plane, row, column);
  const tensors = await source.layerTensors();
  const pick = entry.tensor.pick(plane, row, column);
  const isScale = entry.role === 'block-scale';
  const globalScale = isScale ? globalScaleOf(source, tensors, entry, plane) : null;
  return {
    id,
    plane,
    row,
    column,
    linearOffset: pick.linearOffset,
    swizzledOffset: pick.swizzledOffset ?? null,
    mma6d: pick.mma6d ?? null,
    bits: pick.bits,
    value: pick.value,
    kind: pick.kind,
    siblings: isScale && entry.set !== 'batch' ? siblingsOf(source, tensors, entry, plane, row, column) : [],
    codes: isScale
      ? await codesUnder(
          binding,
          source,
          tensors,
          entry,
          { batch, plane, row, column, scale: pick.value, globalScale },
          cancel,
        )
      : [],
    globalScale,
  };
}

/** The same block scale in the other sets. `ratio` is relative to the checkpoint's times what the contract folds in. */
function siblingsOf(
  source: Source,
  tensors: readonly SourceTensor[],
  entry: SourceTensor,
  plane: number,
  row: number,
  column: number,
): PickReply['siblings'] {
  const base = tensors.find(({ set, name }) => set === 'checkpoint' && name === plainName(entry.name));
  const expected = base?.tensor.pick(plane, row, column).value;
  return tensors
    .filter(
      (other) =>
        idOf(other) !== idOf(entry) && other.role === 'block-scale' && plainName(other.name) === plainName(entry.name),
    )
    .map((other) => {
      const { bits, value } = other.tensor.pick(plane, row, column);
      const folded = foldedFactor(source.contract, tensors, other, plane);
      return {
        id: idOf(other),
        bits,
        value,
        ratio: expected === undefined || expected === 0 ? null : value / (expected * folded),
      };
    });
}

interface ScalePlace {
  batch?: number | undefined;
  plane: number;
  row: number;
  column: number;
  scale: number;
  globalScale: number | null;
}

async function codesUnder(
  binding: NativeBinding,
  source: Source,
  tensors: readonly SourceTensor[],
  entry: SourceTensor,
  place: ScalePlace,
  cancel?: CancelFlag,
): Promise<PickReply['codes']> {
  const packed = await codesTensor(binding, source, tensors, entry, place.batch, cancel);
  if (!packed) return [];
  const codes: PickReply['codes'] = [];
  for (let offset = 0; offset < blockElements; offset++) {
    const { bits, value } = packed.tensor.pick(place.plane, place.row, place.column * blockElements + offset);
    codes.push({ code: bits, value: value * place.scale * (place.globalScale ?? 1) });
  }
  return codes;
}

/** The FP4 tensor whose blocks a scale tensor scales; null where it was not recorded. */
export async function codesTensor(
  binding: NativeBinding,
  source: Source,
  tensors: readonly SourceTensor[],
  entry: SourceTensor,
  batch: number | undefined,
  cancel?: CancelFlag,
): Promise<SourceTensor | null> {
  if (entry.set === 'batch')
    return findTensor(binding, source, `batch/${entry.name.replace(/_sf$/, '_q')}`, batch, cancel);
  const name = entry.name.startsWith('w2') ? 'w2_weight' : 'w13_weight';
  const weights = tensors.filter((other) => other.role === 'weight' && other.name === name);
  return weights.find(({ set }) => set === entry.set) ?? weights[0] ?? null;
}

/** One tensor divided by another, each relative to the checkpoint's values times what the contract folds into it. */
export async function ratioTile(
  binding: NativeBinding,
  source: Source,
  { id, against, batch, ...request }: { id: string; against: string; batch?: number | undefined } & TileRequest,
  cancel?: CancelFlag,
): Promise<Tile> {
  const a = await findTensor(binding, source, id, batch, cancel);
  const b = await findTensor(binding, source, against, batch, cancel);
  const tile = await binding.ratioTile(a.tensor, b.tensor, request);
  const tensors = await source.layerTensors();
  const factor =
    foldedFactor(source.contract, tensors, b, request.plane) / foldedFactor(source.contract, tensors, a, request.plane);
  if (factor === 1) return tile;
  const scaled = (values: Float32Array) => values.map((value) => value * factor);
  return { ...tile, min: scaled(tile.min), max: scaled(tile.max), mean: scaled(tile.mean) };
}
