/** Subject: the measured causes of one comparison. It takes seconds, so it is asked for by a person and kept until another replaces it. */
import { create } from 'zustand';
import type { Diff } from '../../../electron/contract/batch';
import { AppError, type AppErrorData } from '../../../electron/contract/errors';
import type { DiffExplanation } from '../../../electron/contract/explanation';
import { ask } from '../../stores/request';

export interface ExplanationState {
  /** the comparison, as `comparisonKey` writes it; empty = none was asked for */
  of: string;
  found: DiffExplanation | null;
  error: AppErrorData | null;
  running: boolean;
  /** the table of causes stands in place of the map */
  open: boolean;
  /** row whose words are shown; null = the first */
  selected: string | null;
}

const nothing: ExplanationState = { of: '', found: null, error: null, running: false, open: false, selected: null };

export const useExplanation = create<ExplanationState>(() => nothing);

let underWay: AbortController | null = null;

/** Ends the measurement that is under way; what was found before it stays. */
export function cancelExplanation(): void {
  underWay?.abort();
  underWay = null;
  useExplanation.setState({ running: false });
}

/** As before anything was measured. */
export function forgetExplanation(): void {
  cancelExplanation();
  useExplanation.setState(nothing);
}

/** Measures the causes of a comparison, with progress in the window; ends the measurement before it. */
export async function measureCauses(key: string, pair: Pick<Diff, 'batch' | 'a' | 'b'>): Promise<void> {
  cancelExplanation();
  const abort = new AbortController();
  underWay = abort;
  useExplanation.setState({ ...nothing, of: key, running: true });
  const { batch, a, b } = pair;
  try {
    const found = await ask('diff.explain', { batch, a, b }, { signal: abort.signal, label: 'measuring causes' });
    if (underWay === abort) useExplanation.setState({ found, running: false, open: true });
  } catch (thrown) {
    if (underWay !== abort) return;
    const error = AppError.from(thrown).toData();
    useExplanation.setState({ running: false, error: error.code === 'cancelled' ? null : error });
  }
}
