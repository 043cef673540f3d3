/** Subject: how scale tensors are looked at. Which tensor and which element is selected lives in the selection store. */
import { create } from 'zustand';
import type { TensorDescriptor } from '../../../electron/contract/tensor';
import { selectElement, selectTensor, useSelection } from '../../stores/selection';
import { defaultLook, type LookSettings } from '../../tensorview/look';
import type { Mapping } from '../../tensorview/range';
import type { View } from '../../tensorview/viewport';

export interface ScalesState {
  /** expert shown */
  plane: number;
  /** part of the plane on the screen; null = the whole plane */
  view: View | null;
  /** id of the tensor divided by; null = values, no ratio */
  against: string | null;
  /** id of the tensor whose layouts are tried */
  layouts: string | null;
  looks: Record<Mapping, LookSettings>;
}

export const useScales = create<ScalesState>(() => ({
  plane: 0,
  view: null,
  against: null,
  layouts: null,
  looks: { sequential: defaultLook('sequential'), diverging: defaultLook('diverging'), ratio: defaultLook('ratio') },
}));

/** Shows another tensor; the expert stays where the new tensor has it. */
export function showTensor(tensor: Pick<TensorDescriptor, 'id' | 'planes'>): void {
  if (tensor.id === useSelection.getState().tensor) return;
  selectTensor(tensor.id);
  useScales.setState(({ plane, looks: { sequential, diverging, ratio } }) => ({
    plane: Math.min(plane, tensor.planes - 1),
    view: null,
    against: null,
    looks: { sequential: { ...sequential, range: null }, diverging: { ...diverging, range: null }, ratio },
  }));
}

/** Shows another expert and keeps the place; a picked element moves with it. */
export function showPlane(plane: number): void {
  useScales.setState({ plane });
  const { element } = useSelection.getState();
  if (element) selectElement({ ...element, plane });
}

/** Picks an element and shows its expert. */
export function pickElement(plane: number, row: number, column: number): void {
  useScales.setState({ plane });
  selectElement({ plane, row, column });
}

/** Picks in the tensor that is shown, which nobody may have chosen by hand yet. */
export function pickIn(tensor: Pick<TensorDescriptor, 'id'>, plane: number, row: number, column: number): void {
  if (useSelection.getState().tensor === null) selectTensor(tensor.id);
  pickElement(plane, row, column);
}

/** How a tensor is coloured: ratios about 1, signed values about 0, scales from low to high. */
export function mappingOf(role: TensorDescriptor['role'], against: string | null): Mapping {
  if (against !== null) return 'ratio';
  return role === 'weight' || role === 'activation' ? 'diverging' : 'sequential';
}

/** Changes one of the looks. */
export function changeLook(mapping: Mapping, change: Partial<LookSettings>): void {
  useScales.setState(({ looks }) => ({ looks: { ...looks, [mapping]: { ...looks[mapping], ...change } } }));
}
