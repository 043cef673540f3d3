import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { markedColour } from '../../../renderer/tensorview/canvas-painter';
import { colourTable, divergingMaps, parseColour, sequentialMaps } from '../../../renderer/tensorview/colormap';
import { exactFloat32, shortValue } from '../../../renderer/tensorview/exact';
import { defaultLook, makeLook } from '../../../renderer/tensorview/look';
import {
  autoRange,
  axisPlace,
  axisValue,
  binValues,
  cellValue,
  emptySample,
  place,
  rangeAxis,
  type Sample,
  sampleOf,
} from '../../../renderer/tensorview/range';
import { movedRange } from '../../../renderer/tensorview/range-control';
import { NO_VALUE, type Tile } from '../../../renderer/tensorview/source';

const luminance = (table: Uint8Array, index: number) =>
  0.2126 * (table[index * 4] ?? 0) + 0.7152 * (table[index * 4 + 1] ?? 0) + 0.0722 * (table[index * 4 + 2] ?? 0);

const sample = (values: number[]): Sample => {
  const sorted = Float32Array.from(values).sort();
  return { shown: sorted, low: sorted, high: sorted };
};

const tile = (cells: number[]): Tile => ({
  key: 'a|0,0|0,0',
  level: { rowShift: 0, columnShift: 0 },
  request: { row0: 0, rows: 1, col0: 0, cols: cells.length / 4, outRows: 1, outCols: cells.length / 4 },
  cells: Float32Array.from(cells),
});

describe('colour maps', () => {
  it.each(sequentialMaps)('%s rises in lightness from end to end', (name) => {
    const table = colourTable(name);
    for (let index = 8; index < 256; index++)
      expect(luminance(table, index)).toBeGreaterThan(luminance(table, index - 8) - 0.5);
    expect(luminance(table, 255) - luminance(table, 0)).toBeGreaterThan(120);
  });

  it.each(divergingMaps)('%s is lightest in the middle and dark at both ends', (name) => {
    const table = colourTable(name);
    expect(luminance(table, 128)).toBeGreaterThan(220);
    expect(Math.max(luminance(table, 0), luminance(table, 255))).toBeLessThan(70);
  });

  it('blue is negative, red is positive', () => {
    const table = colourTable('rdbu');
    expect(table[2]).toBeGreaterThan(table[0] as number);
    expect(table[255 * 4]).toBeGreaterThan(table[255 * 4 + 2] as number);
  });

  it('colours of the theme are read in both notations, anything else is refused', () => {
    expect(parseColour('#63bdeb')).toEqual([0x63, 0xbd, 0xeb]);
    expect(parseColour('rgb(1, 2, 3)')).toEqual([1, 2, 3]);
    expect(() => parseColour('teal')).toThrow(/expected/);
  });
});

describe('range', () => {
  it('places the ends at 0 and 1, everything else in order', () => {
    const range = { lo: 0.002, hi: 448 };
    for (const log of [false, true]) {
      expect(place(range.lo, range, 'sequential', log)).toBe(0);
      expect(place(range.hi, range, 'sequential', log)).toBe(1);
    }
    fc.assert(
      fc.property(
        fc.double({ min: 1e-6, max: 1e4, noNaN: true }),
        fc.double({ min: 1e-6, max: 1e4, noNaN: true }),
        fc.boolean(),
        (a, b, log) => {
          const [low, high] = a < b ? [a, b] : [b, a];
          expect(place(low, range, 'sequential', log)).toBeLessThanOrEqual(place(high, range, 'sequential', log));
        },
      ),
    );
  });

  it('a ratio of 1 and a difference of 0 are the middle, opposites are opposite', () => {
    expect(place(1, { lo: 0.5, hi: 2 }, 'ratio', false)).toBe(0.5);
    expect(place(0.5, { lo: 0.5, hi: 2 }, 'ratio', false)).toBeCloseTo(0);
    expect(place(2, { lo: 0.5, hi: 2 }, 'ratio', false)).toBeCloseTo(1);
    expect(place(0, { lo: 0, hi: 2 }, 'diverging', false)).toBe(0.5);
    for (const log of [false, true]) {
      const range = { lo: 0.001, hi: 2 };
      expect(place(0.3, range, 'diverging', log) + place(-0.3, range, 'diverging', log)).toBeCloseTo(1);
    }
  });

  it('automatic: everything, or without the outermost cells', () => {
    const values = Array.from({ length: 1001 }, (_, index) => index);
    expect(autoRange(sample(values), 0, 'sequential', false)).toEqual({ lo: 0, hi: 1000 });
    expect(autoRange(sample(values), 2, 'sequential', false)).toEqual({ lo: 20, hi: 980 });
    expect(autoRange(sample(values), 0, 'sequential', true)).toEqual({ lo: 1, hi: 1000 });
    expect(autoRange(sample([-3, 1]), 0, 'diverging', false).hi).toBe(3);
    expect(autoRange(sample([0.25, 1.5]), 0, 'ratio', false)).toEqual({ lo: 0.25, hi: 4 });
  });

  it('automatic: something that can be drawn for constant, empty, zero and negative planes', () => {
    for (const values of [[], [0], [5, 5, 5], [-2, -1], [1]])
      for (const mapping of ['sequential', 'diverging', 'ratio'] as const)
        for (const log of [false, true]) {
          const { lo, hi } = autoRange(values.length > 0 ? sample(values) : emptySample, 0.5, mapping, log);
          expect([lo, hi].every(Number.isFinite)).toBe(true);
          expect(hi).toBeGreaterThan(lo);
        }
  });

  it('a point that is dragged keeps its order and its mirror', () => {
    expect(movedRange({ lo: 1, hi: 5 }, 'lo', 9, 'sequential')).toEqual({ lo: 5, hi: 5 });
    expect(movedRange({ lo: 0, hi: 5 }, 'lo', -3, 'diverging')).toEqual({ lo: 0, hi: 3 });
    expect(movedRange({ lo: 0.5, hi: 2 }, 'lo', 0.25, 'ratio')).toEqual({ lo: 0.25, hi: 4 });
  });

  it('place and value of the axis are inverse', () => {
    for (const log of [false, true]) {
      const axis = rangeAxis(sample([0.01, 0.5, 30]), { lo: 0.01, hi: 30 }, 'sequential', log);
      for (const value of [0.02, 0.5, 29]) expect(axisValue(axisPlace(value, axis), axis)).toBeCloseTo(value, 6);
    }
  });

  it('bins count every cell that lies on the axis', () => {
    const values = Float32Array.from([0, 1, 1, 2, 3]);
    const axis = { from: 0, to: 4, log: false };
    expect([...binValues(values, axis, 4)]).toEqual([1, 2, 1, 1]);
    expect([...binValues(values, { from: 0.5, to: 4, log: true }, 3)].reduce((sum, count) => sum + count)).toBe(4);
  });
});

describe('cells of several elements', () => {
  it('peak: furthest from 0 with its sign; from 1 for ratios; differences have the sign of their mean', () => {
    expect(cellValue(Float32Array.of(-3, 2, -0.1, 0), 0, 'peak', 'diverging')).toBe(-3);
    expect(cellValue(Float32Array.of(-1, 2, -0.1, 0), 0, 'peak', 'diverging')).toBe(2);
    expect(cellValue(Float32Array.of(-6, 6, -0.1, 0), 0, 'peak', 'diverging')).toBe(-6);
    expect(cellValue(Float32Array.of(0.1, 2, -0.5, 0), 0, 'peak', 'diverging')).toBe(-2);
    expect(cellValue(Float32Array.of(0.25, 2, 1, 0), 0, 'peak', 'ratio')).toBe(0.25);
    expect(cellValue(Float32Array.of(0.75, 2, 1, 0), 0, 'peak', 'ratio')).toBe(2);
    expect(cellValue(Float32Array.of(0, 0, 0, NO_VALUE), 0, 'peak', 'diverging')).toBeNaN();
  });

  it('a sample leaves out cells without a value', () => {
    const found = sampleOf([tile([1, 4, 2, 0, 0, 0, 0, NO_VALUE | 8, 0.5, 3, 1, 0])], 'mean', 'sequential');
    expect([...found.shown]).toEqual([1, 2]);
    expect([...found.low]).toEqual([0.5, 1]);
    expect([...found.high]).toEqual([3, 4]);
  });
});

describe('colour of a cell', () => {
  const markColours = [
    [0, 0, 255],
    [255, 255, 0],
    [255, 0, 255],
    [255, 0, 0],
  ] as const;
  const look = makeLook(
    { ...defaultLook('sequential'), log: false, range: { lo: 0, hi: 1 } },
    emptySample,
    markColours,
  );
  const table = colourTable('viridis');

  it('is the colour of its value, transparent without one', () => {
    expect(markedColour(Float32Array.of(1, 1, 1, 0), 0, look, true)).toEqual([
      ...table.subarray(255 * 4, 255 * 4 + 3),
      255,
    ]);
    expect(markedColour(Float32Array.of(0, 0, 0, NO_VALUE), 0, look, true)[3]).toBe(0);
  });

  it('is tinted by its marks, unless they are switched off', () => {
    const nan = Float32Array.of(1, 1, 1, 8);
    expect(markedColour(nan, 0, look, true)[0]).toBeGreaterThan(240);
    expect(markedColour(nan, 0, { ...look, marks: 7 }, true)).toEqual(
      markedColour(Float32Array.of(1, 1, 1, 0), 0, look, true),
    );
  });
});

describe('digits', () => {
  it('of E4M3 values are exact, of float32 enough to tell neighbours apart', () => {
    expect(exactFloat32(0.001953125)).toBe('0.001953125');
    expect(exactFloat32(Math.fround(0.1))).toBe('0.100000001');
    expect(exactFloat32(448)).toBe('448');
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Math.fround(Number(exactFloat32(value)))).toBe(value);
      }),
    );
  });

  it('short values keep their significant digits and name what is not finite', () => {
    expect(shortValue(0.001953125, 3)).toBe('1.95e-3');
    expect(shortValue(0.0137, 3)).toBe('0.0137');
    expect(shortValue(-448)).toBe('-448');
    expect([shortValue(0), shortValue(-0)]).toEqual(['0', '-0']);
    expect([
      shortValue(Number.NaN),
      shortValue(Number.POSITIVE_INFINITY),
      shortValue(Number.NEGATIVE_INFINITY),
    ]).toEqual(['NaN', '+Inf', '-Inf']);
  });
});
