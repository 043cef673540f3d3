import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CELL_BYTES,
  chooseLevel,
  INTERACTION_BYTES,
  overviewLevel,
  TILE_CELLS,
  tileRequest,
  tilesIn,
} from '../../../renderer/tensorview/levels';
import { fitPlane, visible, zoomAt } from '../../../renderer/tensorview/viewport';

const anyCase = fc.record({
  extent: fc.record({ rows: fc.integer({ min: 1, max: 30000 }), columns: fc.integer({ min: 1, max: 30000 }) }),
  size: fc.record({ width: fc.integer({ min: 40, max: 2500 }), height: fc.integer({ min: 40, max: 1400 }) }),
  zoom: fc.double({ min: 1, max: 4000, noNaN: true }),
});

const look = ({
  extent,
  size,
  zoom,
}: {
  extent: { rows: number; columns: number };
  size: { width: number; height: number };
  zoom: number;
}) => {
  const view = zoomAt(fitPlane(extent, size), zoom, { x: size.width / 3, y: size.height / 2 }, extent, size);
  const level = chooseLevel(view, extent, size);
  return { view, level, tiles: tilesIn(view, extent, size, level).map((tile) => tileRequest(tile, extent)) };
};

describe('levels and tiles', () => {
  it('one look, overview included, is at most one megabyte', () => {
    fc.assert(
      fc.property(anyCase, (given) => {
        const cells = look(given).tiles.reduce((sum, { outRows, outCols }) => sum + outRows * outCols, 0);
        expect((cells + TILE_CELLS * TILE_CELLS) * CELL_BYTES).toBeLessThanOrEqual(INTERACTION_BYTES);
      }),
    );
  });

  it('a cell is never smaller than a pixel', () => {
    fc.assert(
      fc.property(anyCase, (given) => {
        const { view, level } = look(given);
        expect(view.rowPx * 2 ** level.rowShift).toBeGreaterThanOrEqual(1 - 1e-6);
        expect(view.columnPx * 2 ** level.columnShift).toBeGreaterThanOrEqual(1 - 1e-6);
      }),
    );
  });

  it('tiles cover what is seen, do not overlap and stay in the plane', () => {
    fc.assert(
      fc.property(anyCase, (given) => {
        const { view, tiles } = look(given);
        const seen = visible(view, given.extent, given.size);
        let covered = 0;
        for (const { row0, rows, col0, cols, outRows, outCols } of tiles) {
          expect(row0 + rows).toBeLessThanOrEqual(given.extent.rows);
          expect(col0 + cols).toBeLessThanOrEqual(given.extent.columns);
          expect(outRows).toBeLessThanOrEqual(TILE_CELLS);
          expect(outCols).toBeLessThanOrEqual(TILE_CELLS);
          const tall = Math.min(row0 + rows, seen.lastRow) - Math.max(row0, seen.firstRow);
          const wide = Math.min(col0 + cols, seen.lastColumn) - Math.max(col0, seen.firstColumn);
          covered += Math.max(0, tall) * Math.max(0, wide);
        }
        expect(covered).toBe((seen.lastRow - seen.firstRow) * (seen.lastColumn - seen.firstColumn));
      }),
    );
  });

  it('far in, every cell is one element', () => {
    const extent = { rows: 1536, columns: 128 };
    const size = { width: 600, height: 400 };
    const view = zoomAt(fitPlane(extent, size), 1e6, { x: 0, y: 0 }, extent, size);
    expect(chooseLevel(view, extent, size)).toEqual({ rowShift: 0, columnShift: 0 });
  });

  it('the overview is one tile', () => {
    for (const extent of [
      { rows: 1, columns: 1 },
      { rows: 64, columns: 65 },
      { rows: 20000, columns: 3 },
    ]) {
      const request = tileRequest({ level: overviewLevel(extent), tileRow: 0, tileColumn: 0 }, extent);
      expect(request).toMatchObject({ row0: 0, rows: extent.rows, col0: 0, cols: extent.columns });
      expect(Math.max(request.outRows, request.outCols)).toBeLessThanOrEqual(TILE_CELLS);
    }
  });
});
