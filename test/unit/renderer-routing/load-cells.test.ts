import { describe, expect, it } from 'vitest';
import type { BatchRouting, RoutingWindow } from '../../../electron/contract/routing';
import { balanceRows } from '../../../renderer/panels/routing/balance-rows';
import { cellAt, loadColour, loadPixels } from '../../../renderer/panels/routing/load-cells';

const window: RoutingWindow = {
  first: 10,
  last: 19,
  columns: 5,
  rows: 2,
  experts: 7,
  expertsPerRow: 4,
  exactFrom: 0,
  load: Float32Array.from([0, 1, 8, 100, Number.NaN, 1 / 8, 0.01, 2, 0, 1]),
  unique: new Float32Array(5),
  expectedUnique: new Float32Array(5),
  imbalance: new Float32Array(5),
  paddingShare: new Float32Array(5),
};

describe('the load strip', () => {
  it('has an even spread in the middle of its colours and eight times at the end', () => {
    expect([1 / 8, 1, 8, 0.01, 100].map(loadColour)).toEqual([0, 128, 255, 0, 255]);
    expect([0, Number.NaN].map(loadColour)).toEqual([null, null]);
  });

  it('tells no rows from not known', () => {
    const map = Uint8Array.from({ length: 1024 }, (_, at) => at >> 2);
    const pixels = loadPixels(window, map, { none: [1, 2, 3], unknown: [4, 5, 6] });
    const pixel = (cell: number) => [...pixels.subarray(cell * 4, cell * 4 + 4)];
    expect(pixel(0)).toEqual([1, 2, 3, 255]);
    expect(pixel(1)).toEqual([128, 128, 128, 255]);
    expect(pixel(3)).toEqual([255, 255, 255, 255]);
    expect(pixel(4)).toEqual([4, 5, 6, 255]);
  });

  it('finds the batches and experts under a place', () => {
    expect(cellAt(window, 0, 0)).toMatchObject({ firstBatch: 10, lastBatch: 11, firstExpert: 0, lastExpert: 3 });
    expect(cellAt(window, 0.99, 0.99)).toMatchObject({ firstBatch: 18, lastBatch: 19, firstExpert: 4, lastExpert: 6 });
    expect([cellAt(window, 1, 0), cellAt(window, 0, -0.1)]).toEqual([null, null]);
    expect(cellAt({ ...window, columns: 0 }, 0, 0)).toBeNull();
  });
});

describe('the balance table', () => {
  const balance = { unique: 4, paddedRows: 64, imbalance: 2, variation: 1, gini: 0.5 };
  const routing: BatchRouting = {
    batch: 0,
    tokens: 4,
    routedPairs: 8,
    topK: 2,
    experts: 16,
    tileM: 16,
    balance,
    uniform: { ...balance, unique: 6.5, paddedRows: 104 },
    draws: 16,
    expectedUnique: 6.6,
    bytesPerExpert: 1,
    floors: [],
    provenance: '',
  };
  it('gives padding only where the kernel has row tiles', () => {
    const named = new Map(balanceRows(routing).map((row) => [row.name, row]));
    expect(named.get('padding rows')).toMatchObject({ value: 56, uniform: 96 });
    expect(named.get('padding share')?.value).toBeCloseTo(56 / 64);
    expect(named.get('rows a reached expert')?.value).toBe(2);
    expect(named.get('unique experts')?.uniform).toBe(6.6);
    expect(balanceRows({ ...routing, tileM: 0 }).some(({ name }) => name.includes('padding'))).toBe(false);
  });
});
