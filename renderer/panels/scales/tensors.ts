/** The list of tensors in the order people look for them, and why a set may be missing. */
import type { EngineState } from '../../../electron/contract/session';
import type { TensorDescriptor, TensorSet } from '../../../electron/contract/tensor';

export const setTitles: Record<TensorSet, string> = {
  checkpoint: 'Checkpoint',
  b12x: 'b12x, live',
  cutlass: 'CUTLASS clones',
  batch: 'Batch activations',
};
export const setOrder: readonly TensorSet[] = ['checkpoint', 'b12x', 'cutlass', 'batch'];

const roleOrder = ['block-scale', 'multiplier', 'weight', 'activation'] as const;

export interface TensorGroup {
  set: TensorSet;
  tensors: TensorDescriptor[];
  /** why it is empty; empty otherwise */
  reason: string;
}

/** Groups by set; scales first within each. */
export function groupTensors(
  tensors: readonly TensorDescriptor[],
  engine: EngineState | null,
  batch: number | null,
  /** why the batch's own tensors are not there, where that is known */
  batchReason?: string,
): TensorGroup[] {
  return setOrder.map((set) => {
    const members = tensors
      .filter((tensor) => tensor.set === set)
      .sort((a, b) => roleOrder.indexOf(a.role) - roleOrder.indexOf(b.role) || a.name.localeCompare(b.name, 'en'));
    return { set, tensors: members, reason: members.length > 0 ? '' : reasonOf(set, engine, batch, batchReason) };
  });
}

function reasonOf(set: TensorSet, engine: EngineState | null, batch: number | null, batchReason?: string): string {
  const layer = engine?.layer;
  if (set === 'cutlass') {
    if (layer && !layer.hybrid.possible) return layer.hybrid.reason;
    if (engine?.threshold.tokens === 0)
      return 'The threshold is 0, so no scales were cloned before the b12x rewrite. Load the layer with a threshold above 0.';
    return 'This source holds no CUTLASS scales.';
  }
  if (set === 'batch') {
    if (batch === null) return 'No batch is selected.';
    return batchReason ?? `Batch ${batch} has no recorded activations: taps were off.`;
  }
  return 'This source holds none.';
}

/** What the panel shows before a tensor is chosen: the live b12x block scales, otherwise any scale. */
export function firstChoice(tensors: readonly TensorDescriptor[]): TensorDescriptor | null {
  return (
    tensors.find(({ id }) => id === 'b12x/w13_weight_scale') ??
    tensors.find(({ role }) => role === 'block-scale') ??
    tensors[0] ??
    null
  );
}

/** The chosen tensor; the first choice where it is not in this source. Null while the batch that it may belong to is on its way. */
export function shownTensor(
  tensors: readonly TensorDescriptor[],
  chosen: string | null,
  batchLoading: boolean,
): TensorDescriptor | null {
  const found = tensors.find(({ id }) => id === chosen);
  if (!found && batchLoading && chosen?.startsWith('batch/')) return null;
  return found ?? firstChoice(tensors);
}

/** Tensors that this one can be divided by: the same role and the same logical planes. */
export function ratioChoices(tensor: TensorDescriptor, tensors: readonly TensorDescriptor[]): TensorDescriptor[] {
  return tensors.filter(
    (other) =>
      other.id !== tensor.id &&
      other.role === tensor.role &&
      other.role !== 'weight' &&
      other.planes === tensor.planes &&
      other.rows === tensor.rows &&
      other.columns === tensor.columns,
  );
}

/** Names of the parts of a row and a column of the tensor. */
export function axisNames(tensor: TensorDescriptor): { row: string; column: string } {
  if (tensor.role === 'block-scale') return { row: 'row', column: 'block' };
  if (tensor.role === 'activation') return { row: 'row', column: 'column' };
  return { row: 'row', column: 'column' };
}

/** Place of an element in words; a tensor without experts has no plane to name. */
export function placeText(tensor: TensorDescriptor, at: { plane: number; row: number; column: number }): string {
  const { row, column } = axisNames(tensor);
  const place = `${row} ${at.row}, ${column} ${at.column}`;
  return tensor.planes > 1 ? `expert ${at.plane}, ${place}` : place;
}
