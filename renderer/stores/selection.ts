/** Subject: what is selected, shared by all panels: a batch, a token and an expert of it, a tensor, an element of it. */
import { create } from 'zustand';
import type { BatchDetail } from '../../electron/contract/batch';
import { AppError, type AppErrorData } from '../../electron/contract/errors';
import { ask } from './request';

export interface ElementSelection {
  plane: number;
  row: number;
  column: number;
}

export interface SelectionState {
  /** index of the selected batch; null = none */
  batch: number | null;
  /** detail of that batch; kept from the batch before while the new one loads */
  detail: BatchDetail | null;
  detailError: AppErrorData | null;
  loading: boolean;
  /** token of that batch that a picked element belongs to, e.g. the worst one of Diff; null = none */
  token: number | null;
  /** expert that the element's routed pair went to, or whose load is looked at; null = none, e.g. where slots are already summed */
  expert: number | null;
  /** id of the tensor shown in Scales, e.g. "b12x/w13_weight_scale"; null = the panel's own first choice */
  tensor: string | null;
  /** element picked in that tensor */
  element: ElementSelection | null;
}

export const useSelection = create<SelectionState>(() => ({
  batch: null,
  detail: null,
  detailError: null,
  loading: false,
  token: null,
  expert: null,
  tensor: null,
  element: null,
}));

let underWay: AbortController | null = null;

/** Selects a batch everywhere and gets its detail; null selects none. A newer selection cancels the older request. */
export async function selectBatch(batch: number | null, options: { reload?: boolean } = {}): Promise<void> {
  const state = useSelection.getState();
  if (batch === state.batch && !options.reload && (state.detail || state.loading)) return;
  underWay?.abort();
  if (batch !== state.batch) useSelection.setState({ token: null, expert: null });
  if (batch === null) {
    useSelection.setState({ batch: null, detail: null, detailError: null, loading: false });
    return;
  }
  const abort = new AbortController();
  underWay = abort;
  useSelection.setState({ batch, detailError: null, loading: true });
  try {
    const detail = await ask('batch.detail', { batch }, { signal: abort.signal });
    if (!abort.signal.aborted) useSelection.setState({ detail, loading: false });
  } catch (thrown) {
    if (abort.signal.aborted) return;
    useSelection.setState({ detail: null, detailError: AppError.from(thrown).toData(), loading: false });
  }
}

/**
 * Marks a token and an expert of the selected batch, so that Batch and Routing follow an element picked elsewhere.
 * Select the batch first: another batch forgets both.
 */
export function selectRouted(token: number | null, expert: number | null): void {
  useSelection.setState({ token, expert });
}

/** Selects a tensor and forgets the element of the one before. */
export function selectTensor(tensor: string | null): void {
  if (tensor !== useSelection.getState().tensor) useSelection.setState({ tensor, element: null });
}

/** Selects one element of the selected tensor. */
export function selectElement(element: ElementSelection | null): void {
  useSelection.setState({ element });
}
