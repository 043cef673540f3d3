import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clamp,
  elementAt,
  fitPlane,
  MAX_COLUMN_PX,
  MAX_ROW_PX,
  oneToOne,
  pan,
  reveal,
  rulerStep,
  type View,
  zoomAt,
} from '../../../renderer/tensorview/viewport';

const extent = { rows: 1536, columns: 128 };
const size = { width: 600, height: 400 };
const anyExtent = fc.record({ rows: fc.integer({ min: 1, max: 20000 }), columns: fc.integer({ min: 1, max: 20000 }) });
const point = fc.record({ x: fc.integer({ min: 0, max: 599 }), y: fc.integer({ min: 0, max: 399 }) });

const inside = (view: View, { rows, columns }: typeof extent) => {
  expect(view.row).toBeGreaterThanOrEqual(0);
  expect(view.column).toBeGreaterThanOrEqual(0);
  expect(view.row + size.height / view.rowPx).toBeLessThanOrEqual(Math.max(rows, size.height / view.rowPx) + 1e-6);
  expect(view.column + size.width / view.columnPx).toBeLessThanOrEqual(
    Math.max(columns, size.width / view.columnPx) + 1e-6,
  );
};

describe('view of a plane', () => {
  it('fits the whole plane, stretched in each direction', () => {
    const view = fitPlane(extent, size);
    expect(view.rowPx * extent.rows).toBeCloseTo(size.height);
    expect(view.columnPx * extent.columns).toBeCloseTo(size.width);
  });

  it('does not draw the elements of a tiny plane larger than a value needs', () => {
    expect(fitPlane({ rows: 1, columns: 2 }, size)).toEqual({
      row: 0,
      column: 0,
      rowPx: MAX_ROW_PX,
      columnPx: MAX_COLUMN_PX,
    });
  });

  it('zooms about the pointer: the element under it stays', () => {
    let view = zoomAt(fitPlane(extent, size), 40, { x: 300, y: 200 }, extent, size);
    const at = { x: 311, y: 170 };
    const before = elementAt(view, at.x, at.y, extent);
    for (let step = 0; step < 20; step++) {
      view = zoomAt(view, 1.1, at, extent, size);
      expect(elementAt(view, at.x, at.y, extent)).toEqual(before);
    }
  });

  it('both directions end at the size of a readable cell, however far apart they began', () => {
    let view = fitPlane(extent, size);
    for (let step = 0; step < 60; step++) view = zoomAt(view, 1.3, { x: 5, y: 5 }, extent, size);
    expect(view.rowPx).toBe(MAX_ROW_PX);
    expect(view.columnPx).toBe(MAX_COLUMN_PX);
  });

  it('zoom of one axis leaves the other', () => {
    const view = fitPlane(extent, size);
    expect(zoomAt(view, 2, { x: 0, y: 0 }, extent, size, 'rows')).toMatchObject({
      columnPx: view.columnPx,
      rowPx: view.rowPx * 2,
    });
    expect(zoomAt(view, 2, { x: 0, y: 0 }, extent, size, 'columns')).toMatchObject({ rowPx: view.rowPx });
  });

  it('never leaves the plane, whatever is done', () => {
    fc.assert(
      fc.property(
        anyExtent,
        fc.array(fc.tuple(fc.double({ min: 0.2, max: 5, noNaN: true }), point, fc.integer({ min: -900, max: 900 })), {
          maxLength: 12,
        }),
        (plane, steps) => {
          let view = fitPlane(plane, size);
          for (const [factor, at, by] of steps) {
            view = zoomAt(view, factor, at, plane, size);
            inside(view, plane);
            view = pan(view, by, -by, plane, size);
            inside(view, plane);
          }
        },
      ),
    );
  });

  it('one to one shows one element a pixel about the same centre', () => {
    const view = oneToOne({ row: 700, column: 40, rowPx: 4, columnPx: 20 }, extent, size);
    expect(view).toMatchObject({ rowPx: 1, columnPx: 1 });
    expect(view.row + size.height / 2).toBeCloseTo(700 + 50);
  });

  it('reveals an element that is out of sight and leaves the view where it is not', () => {
    const view = clamp({ row: 100, column: 0, rowPx: 20, columnPx: 60 }, extent, size);
    expect(reveal(view, 105, 3, extent, size)).toEqual(view);
    const moved = reveal(view, 900, 100, extent, size);
    expect(moved.row).toBeLessThan(900);
    expect(moved.row + size.height / moved.rowPx).toBeGreaterThan(901);
    expect(moved.column + size.width / moved.columnPx).toBeGreaterThan(101);
  });

  it('points beside the plane are no element', () => {
    const view = fitPlane({ rows: 2, columns: 2 }, size);
    expect(elementAt(view, MAX_COLUMN_PX * 2 + 1, 3, { rows: 2, columns: 2 })).toBeNull();
  });

  it('ruler labels are powers of two apart and far enough from each other', () => {
    expect(rulerStep(24, 22)).toBe(1);
    expect(rulerStep(0.26, 22)).toBe(128);
  });
});
