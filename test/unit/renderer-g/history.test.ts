import { beforeEach, describe, expect, it } from 'vitest';
import type { StageComparison } from '../../../electron/contract/batch';
import type { DotHistory, SideHistory, SlotHistory } from '../../../electron/contract/element';
import { blockRows, elementOfBlock, historyJson, sliceRows } from '../../../renderer/panels/diff/history-rows';
import { parseRuns } from '../../../renderer/panels/diff/noise';
import { historyOf, pickElement, showComparison, useDiff } from '../../../renderer/panels/diff/state';

const dot = (blocks: number): DotHistory => ({
  activationCodes: Uint8Array.from({ length: blocks * 16 }, (_, i) => i % 16),
  activationSf: new Uint8Array(blocks).fill(0x38),
  weightCodes: new Uint8Array(blocks * 16).fill(15),
  weightSf: new Uint8Array(blocks).fill(0x40),
  dot: Float64Array.from({ length: blocks }, (_, i) => i),
  term: new Float64Array(blocks),
  sum: new Float64Array(blocks),
});

const slot = (act: number[]): SlotHistory => ({
  ...{ slot: 1, expert: 4, weight: 0.5, activationScale: 1, multiplier: 1, fc2: 2, rowInExpert: 3, tile: null },
  act: Float64Array.from(act),
  dot: dot(act.length / 16),
  slices: [
    { firstBlock: 0, blocks: 8, acc: 1, scaled: 2 },
    { firstBlock: 8, blocks: 1, acc: 3, scaled: 4 },
  ],
});

describe('rows of the history', () => {
  it('have a K block each, with its 16 codes in order', () => {
    const rows = blockRows(dot(2), null);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({
      block: 0,
      b: null,
      a: { codes: '0123456789ABCDEF', weightCodes: 'FFFFFFFFFFFFFFFF', sf: 0x38 },
    });
  });

  it('pair each slice with what it adds to y', () => {
    const additions = [
      { slot: 0, slice: 0, value: 9, sum: 9 },
      { slot: 1, slice: 0, value: 1, sum: 10 },
      { slot: 1, slice: 1, value: 2, sum: 12 },
    ];
    const side = { additions } as SideHistory;
    expect(sliceRows(side, slot([]))).toEqual([
      { slice: 0, blocks: '0..7', acc: 1, scaled: 2, added: 1, sum: 10 },
      { slice: 1, blocks: '8..8', acc: 3, scaled: 4, added: 2, sum: 12 },
    ]);
  });

  it('lead to the element of a block whose activations are furthest apart, or the largest of one side', () => {
    const left = Array.from({ length: 32 }, (_, i) => i);
    const right = left.map((value, i) => (i === 20 ? 5 : value));
    expect(elementOfBlock(slot(left), slot(right), 1)).toBe(20);
    expect(elementOfBlock(slot(left), null, 0)).toBe(15);
  });

  it('leave as JSON that JSON can hold', () => {
    const history = {
      batch: 0,
      token: 0,
      column: 0,
      a: { reason: 'none' },
      b: { reason: 'none' },
      partings: [{ step: 'y', slot: -1, at: 'output', a: Number.NaN, b: 1 }],
    } as const;
    expect(JSON.parse(historyJson({ ...history, partings: [...history.partings] }))).toMatchObject({
      partings: [{ a: 'NaN', b: 1 }],
    });
  });
});

describe('an element of a stage', () => {
  const stage = (name: string, rows: number, columns: number) => ({
    stage: name,
    rows,
    columns,
    comparison: null as StageComparison | null,
    reason: '',
    worst: [],
  });
  const diff = {
    stages: [
      stage('input', 4, 64),
      stage('fc1', 8, 96),
      stage('activation', 8, 48),
      stage('requantized', 8, 48),
      stage('fc2', 8, 64),
      stage('output', 4, 64),
    ],
  } as unknown as Parameters<typeof historyOf>[0];
  beforeEach(() => useDiff.setState({ history: null, element: null, of: '' }));

  it('belongs to an element of y, and with FC1 to an element of I', () => {
    expect(historyOf(diff, 'output', 3, 60)).toEqual({ token: 3, column: 60 });
    expect(historyOf(diff, 'fc2', 7, 60)).toEqual({ token: 3, column: 60 });
    expect(historyOf(diff, 'fc1', 7, 50)).toEqual({ token: 3, column: 0, slot: 1, element: 2 });
    expect(historyOf(diff, 'input', 1, 1)).toBeNull();
  });

  it('keeps the column of the history that is shown for its token, and closes with the comparison', () => {
    pickElement(diff, 'output', 3, 60);
    expect(historyOf(diff, 'activation', 6, 7)).toEqual({ token: 3, column: 60, slot: 0, element: 7 });
    expect(historyOf(diff, 'activation', 0, 7)).toMatchObject({ token: 0, column: 0 });
    showComparison('first');
    showComparison('another');
    expect(useDiff.getState().history).toBeNull();
  });
});

it('the number of runs is 1 to 64', () => {
  expect(['1', '64', '0', '65', '1.5', '', 'x'].map(parseRuns)).toEqual([1, 64, null, null, null, null, null]);
});
