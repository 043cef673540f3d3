/** Subject: how a difference is looked at. The batch, the pair and the tolerance live in the shared stores. */
import { create } from 'zustand';
import type { Diff, Side, Stage } from '../../../electron/contract/batch';
import type { Noise } from '../../../electron/contract/element';
import type { EngineState } from '../../../electron/contract/session';
import { useConnection } from '../../stores/connection';
import { defaultLook, type LookSettings } from '../../tensorview/look';
import type { View } from '../../tensorview/viewport';

export type StageDiff = Diff['stages'][number];

/** An element of y whose history is shown, and the element of I of one slot behind which FC1 is. */
export interface HistoryElement {
  token: number;
  column: number;
  slot?: number;
  element?: number;
}

export interface DiffState {
  /** chosen stage; null = the first diverging one, else the output */
  stage: Stage | null;
  view: View | null;
  look: LookSettings;
  /** element of the stage picked in the map or in the worst elements */
  element: { row: number; column: number } | null;
  /** the comparison that view and element belong to, as `comparisonKey` writes it; empty = the first one shown */
  of: string;
  history: HistoryElement | null;
  /** the measured noise floor, and the comparison that it belongs to */
  noise: { of: string; found: Noise } | null;
}

export const useDiff = create<DiffState>(() => ({
  stage: null,
  view: null,
  look: defaultLook('diverging'),
  element: null,
  of: '',
  history: null,
  noise: null,
}));

/** Another batch or pair has other elements: begins at its whole. The first comparison keeps what a link has brought. */
export function showComparison(key: string): void {
  useDiff.setState(({ of, view, element }) => {
    if (of === key) return {};
    return of === '' ? { of: key, view, element } : { of: key, view: null, element: null, history: null };
  });
}

/** Names the layer whose batches are looked at; empty = there is none. Batches of another layer have the same numbers. */
export function layerKeyOf(engine: EngineState | null): string {
  const layer = engine?.layer;
  if (!engine || !layer) return '';
  const { source, session, checkpoint } = engine;
  const { prefix, contract, merge, registered } = layer;
  return JSON.stringify([source, session?.path, checkpoint?.path, prefix, contract, merge, registered]);
}

/** Names a comparison: what was measured holds for it alone. */
export function comparisonKey(batch: number | null, pair: { a: Side; b: Side }): string {
  return `${batch},${pair.a},${pair.b},${layerKeyOf(useConnection.getState().engine)}`;
}

/**
 * The element of y that belongs to an element of a stage: of FC1, the activation and its requantized form together with slot
 * and element of I (y's column stays the one shown, else 0). null: the quantized input leads to every element of its token.
 */
export function historyOf(
  diff: Pick<Diff, 'stages'>,
  stage: Stage,
  row: number,
  column: number,
): HistoryElement | null {
  const size = (name: Stage) => diff.stages.find((entry) => entry.stage === name);
  const tokens = size('output')?.rows ?? 0;
  const topK = tokens > 0 ? Math.round((size('fc2')?.rows ?? 0) / tokens) : 0;
  if (stage === 'output') return { token: row, column };
  if (stage === 'input' || topK < 1) return null;
  const token = Math.floor(row / topK);
  if (stage === 'fc2') return { token, column };
  const intermediate = size('activation')?.columns ?? 0;
  const shown = useDiff.getState().history;
  return {
    token,
    column: shown?.token === token ? shown.column : 0,
    slot: row % topK,
    element: intermediate > 0 ? column % intermediate : column,
  };
}

/** Opens FC1 behind an element of I in the history that is shown. */
export function showElementOfI(slot: number, element: number): void {
  useDiff.setState(({ history }) => (history ? { history: { ...history, slot, element } } : {}));
}

/** Picks an element of a stage and opens its history. */
export function pickElement(diff: Pick<Diff, 'stages'>, stage: Stage, row: number, column: number): void {
  useDiff.setState({ element: { row, column }, history: historyOf(diff, stage, row, column) });
}

/** Shows another stage from its whole. */
export function showStage(stage: Stage | null): void {
  useDiff.setState(({ look }) => ({ stage, view: null, element: null, look: { ...look, range: null } }));
}

export const sideTitles: Record<Side, string> = { b12x: 'b12x', cutlass: 'CUTLASS', reference: 'reference' };

export const stageTitles: Record<Stage, string> = {
  input: 'quantized input',
  fc1: 'FC1',
  activation: 'activation',
  requantized: 'requantized',
  fc2: 'FC2',
  output: 'output',
};

/** What a row of a stage is: a token (quantized input, output) or a routed pair, by their numbers in the batch. */
export function rowName(rows: number, batch: { tokens: number; routedPairs: number } | null): string {
  if (rows === batch?.tokens) return 'token';
  return rows === batch?.routedPairs ? 'routed pair' : 'row';
}
