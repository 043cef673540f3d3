/** Which part of a plane is on the screen. Pure functions; pixels are CSS pixels, rows and columns are elements. */

export interface Size {
  width: number;
  height: number;
}

/** Extent of a plane in elements. */
export interface Extent {
  rows: number;
  columns: number;
}

/** Element at the top left corner (fractions allowed) and the size of one element. */
export interface View {
  row: number;
  column: number;
  rowPx: number;
  columnPx: number;
}

/** An element is never drawn larger than this: a value as text just fits. */
export const MAX_ROW_PX = 24;
export const MAX_COLUMN_PX = 76;

/** The whole plane, stretched to the canvas in each direction (block-scale planes are far from square). */
export function fitPlane(extent: Extent, size: Size): View {
  return {
    row: 0,
    column: 0,
    rowPx: Math.min(MAX_ROW_PX, size.height / Math.max(1, extent.rows)),
    columnPx: Math.min(MAX_COLUMN_PX, size.width / Math.max(1, extent.columns)),
  };
}

/** One element, one pixel, about the same centre. */
export function oneToOne(view: View, extent: Extent, size: Size): View {
  const centreRow = view.row + size.height / 2 / view.rowPx;
  const centreColumn = view.column + size.width / 2 / view.columnPx;
  const next = { row: centreRow - size.height / 2, column: centreColumn - size.width / 2, rowPx: 1, columnPx: 1 };
  return clamp(next, extent, size);
}

/** Keeps the element under (x, y) where it is. `axis` limits the zoom to one direction. */
export function zoomAt(
  view: View,
  factor: number,
  at: { x: number; y: number },
  extent: Extent,
  size: Size,
  axis: 'both' | 'rows' | 'columns' = 'both',
): View {
  const whole = fitPlane(extent, size);
  const scaled = (px: number, smallest: number, largest: number) =>
    Math.min(largest, Math.max(Math.min(smallest, 1), px * factor));
  const rowPx = axis === 'columns' ? view.rowPx : scaled(view.rowPx, whole.rowPx, MAX_ROW_PX);
  const columnPx = axis === 'rows' ? view.columnPx : scaled(view.columnPx, whole.columnPx, MAX_COLUMN_PX);
  const row = view.row + at.y / view.rowPx - at.y / rowPx;
  const column = view.column + at.x / view.columnPx - at.x / columnPx;
  return clamp({ row, column, rowPx, columnPx }, extent, size);
}

/** Moves by pixels; positive is down and right. */
export function pan(view: View, dx: number, dy: number, extent: Extent, size: Size): View {
  return clamp({ ...view, row: view.row + dy / view.rowPx, column: view.column + dx / view.columnPx }, extent, size);
}

/** The plane never leaves the canvas further than its own edge. */
export function clamp(view: View, extent: Extent, size: Size): View {
  const lastRow = Math.max(0, extent.rows - size.height / view.rowPx);
  const lastColumn = Math.max(0, extent.columns - size.width / view.columnPx);
  return {
    ...view,
    row: Math.min(lastRow, Math.max(0, view.row)),
    column: Math.min(lastColumn, Math.max(0, view.column)),
  };
}

/** Element under a point, or null outside the plane. */
export function elementAt(view: View, x: number, y: number, extent: Extent): { row: number; column: number } | null {
  const row = Math.floor(view.row + y / view.rowPx);
  const column = Math.floor(view.column + x / view.columnPx);
  const inside = row >= 0 && column >= 0 && row < extent.rows && column < extent.columns;
  return inside ? { row, column } : null;
}

/** Scrolls so that the element is on the screen, no more than needed. */
export function reveal(view: View, row: number, column: number, extent: Extent, size: Size): View {
  const rows = size.height / view.rowPx;
  const columns = size.width / view.columnPx;
  const into = (start: number, length: number, wanted: number) =>
    wanted < start || wanted + 1 > start + length ? wanted + 0.5 - length / 2 : start;
  return clamp({ ...view, row: into(view.row, rows, row), column: into(view.column, columns, column) }, extent, size);
}

/** Elements on the screen, clipped to the plane; `last` is exclusive. */
export function visible(view: View, extent: Extent, size: Size) {
  return {
    firstRow: Math.max(0, Math.floor(view.row)),
    lastRow: Math.min(extent.rows, Math.ceil(view.row + size.height / view.rowPx)),
    firstColumn: Math.max(0, Math.floor(view.column)),
    lastColumn: Math.min(extent.columns, Math.ceil(view.column + size.width / view.columnPx)),
  };
}

/** Step of ruler labels in elements: 1, 2, 4, 8 ... so that labels are at least `pixels` apart (tiles are powers of two). */
export function rulerStep(elementPx: number, pixels: number): number {
  let step = 1;
  while (step * elementPx < pixels) step *= 2;
  return step;
}
