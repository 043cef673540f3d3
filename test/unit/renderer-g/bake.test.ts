import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bakesAlike, bakeTile } from '../../../renderer/tensorview/bake';
import { markedColour } from '../../../renderer/tensorview/canvas-painter';
import { colourTable } from '../../../renderer/tensorview/colormap';
import type { Look } from '../../../renderer/tensorview/frame';
import { channels, mappings } from '../../../renderer/tensorview/range';
import { NO_VALUE } from '../../../renderer/tensorview/source';

const look = (change: Partial<Look> = {}): Look => ({
  channel: 'mean',
  mapping: 'sequential',
  log: false,
  range: { lo: 0, hi: 2 },
  table: colourTable('viridis'),
  marks: 15,
  markColours: [
    [10, 20, 30],
    [200, 180, 0],
    [255, 0, 128],
    [255, 64, 64],
  ],
  ...change,
});

const cell = fc.tuple(
  fc.float({ min: -3, max: 3, noNaN: true }),
  fc.float({ min: -3, max: 3, noNaN: true }),
  fc.integer({ min: 0, max: 31 }),
);
const looks = fc.record({
  channel: fc.constantFrom(...channels),
  mapping: fc.constantFrom(...mappings),
  log: fc.boolean(),
  marks: fc.integer({ min: 0, max: 15 }),
});

describe('baked tiles', () => {
  it('have the colours that the 2D painter gives each cell', () => {
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1, maxLength: 20 }), looks, (list, change) => {
        const cells = Float32Array.from(
          list.flatMap(([a, b, bits]) => [Math.min(a, b), Math.max(a, b), (a + b) / 2, bits]),
        );
        const tinted = bakeTile({ cells }, look(change), true);
        const shaped = bakeTile({ cells }, look(change), false);
        list.forEach(([, , bits], index) => {
          const expected = markedColour(cells, index, look(change), true);
          for (const [part, value] of expected.entries())
            expect(Math.abs(tinted[index * 4 + part]! - value)).toBeLessThanOrEqual(1.5);
          expect(shaped[index * 4 + 3]).toBe(bits);
          if ((bits & NO_VALUE) === 0)
            expect([...shaped.subarray(index * 4, index * 4 + 3)]).toEqual(
              markedColour(cells, index, look(change), false).slice(0, 3),
            );
        });
      }),
    );
  });

  it('are kept exactly while nothing that they show changes', () => {
    const first = look();
    expect(bakesAlike(first, { ...first, range: { ...first.range } })).toBe(true);
    for (const change of [
      { channel: 'max' as const },
      { mapping: 'ratio' as const },
      { log: true },
      { range: { lo: 0, hi: 3 } },
      { marks: 7 },
      { table: colourTable('inferno') },
    ])
      expect(bakesAlike(first, { ...first, ...change })).toBe(false);
  });
});
