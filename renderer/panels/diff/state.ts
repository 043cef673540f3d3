/** Subject: how a difference is looked at. The batch, the pair and the tolerance live in the shared stores. */
import { create } from 'zustand';
import type { Diff, Side, Stage } from '../../../electron/contract/batch';
import { defaultLook, type LookSettings } from '../../tensorview/look';
import type { View } from '../../tensorview/viewport';

export type StageDiff = Diff['stages'][number];

export interface DiffState {
  /** chosen stage; null = the first diverging one, else the output */
  stage: Stage | null;
  view: View | null;
  look: LookSettings;
  /** element of the stage picked in the map or in the worst elements */
  element: { row: number; column: number } | null;
  /** the comparison that view and element belong to, as `comparisonKey` writes it; empty = the first one shown */
  of: string;
  /** the comparison whose causes were asked for, as `comparisonKey` writes it; empty = none */
  causesOf: string;
}

export const useDiff = create<DiffState>(() => ({
  stage: null,
  view: null,
  look: defaultLook('diverging'),
  element: null,
  of: '',
  causesOf: '',
}));

/** Another batch or pair has other elements: begins at its whole. The first comparison keeps what a link has brought. */
export function showComparison(key: string): void {
  useDiff.setState(({ of, view, element }) => {
    if (of === key) return {};
    return of === '' ? { of: key, view, element } : { of: key, view: null, element: null };
  });
}

/** Names a comparison: causes that were asked for hold for it alone. */
export function comparisonKey(batch: number | null, pair: { a: Side; b: Side }): string {
  return `${batch},${pair.a},${pair.b}`;
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
