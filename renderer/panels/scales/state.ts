/** Subject: how scale tensors are looked at. Which tensor and which element is selected lives in the selection store. */
import { create } from 'zustand';
import type { TensorDescriptor } from '../../../electron/contract/tensor';
import { selectElement, selectTensor, useSelection } from '../../stores/selection';
import { defaultLook, type LookSettings } from '../../tensorview/look';
import type { View } from '../../tensorview/viewport';

export interface ScalesState {
  /** expert shown */
  plane: number;
  /** part of the plane on the screen; null = the whole plane */
  view: View | null;
  /** id of the tensor divided by; null = values, no ratio */
  against: string | null;
  values: LookSettings;
  ratio: LookSettings;
}

export const useScales = create<ScalesState>(() => ({
  plane: 0,
  view: null,
  against: null,
  values: defaultLook('sequential'),
  ratio: defaultLook('ratio'),
}));

/** Shows another tensor; the expert stays where the new tensor has it. */
export function showTensor(tensor: Pick<TensorDescriptor, 'id' | 'planes'>): void {
  if (tensor.id === useSelection.getState().tensor) return;
  selectTensor(tensor.id);
  useScales.setState(({ plane, values }) => ({
    plane: Math.min(plane, tensor.planes - 1),
    view: null,
    against: null,
    values: { ...values, range: null },
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

/** Changes the look of values or of ratios, whichever is shown. */
export function changeLook(change: Partial<LookSettings>): void {
  useScales.setState((state) =>
    state.against === null ? { values: { ...state.values, ...change } } : { ratio: { ...state.ratio, ...change } },
  );
}
