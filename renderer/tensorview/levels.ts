/** Levels of detail and tiles. Never more cells than pixels, never more than one megabyte for one look at the plane. */
import type { Level, TileRequest } from './source';
import { type Extent, type Size, type View, visible } from './viewport';

/** A tile has up to 64 x 64 cells. */
export const TILE_CELLS = 64;
/** min, max and mean as float32, marks as a byte. */
export const CELL_BYTES = 13;
/** At most 1 MB an interaction; one tile of it is kept for the overview. */
export const INTERACTION_BYTES = 1_000_000;
const CELL_BUDGET = Math.floor(INTERACTION_BYTES / CELL_BYTES) - TILE_CELLS * TILE_CELLS;

export interface TileAddress {
  level: Level;
  tileRow: number;
  tileColumn: number;
}

const shiftFor = (elementPx: number) => Math.max(0, Math.ceil(Math.log2(1 / elementPx) - 1e-9));

/** Range of tiles [first, last) along one axis that cover the elements [from, to). */
function tileSpan(from: number, to: number, shift: number): { first: number; last: number } {
  const step = TILE_CELLS * 2 ** shift;
  return { first: Math.floor(from / step), last: Math.max(Math.floor(from / step) + 1, Math.ceil(to / step)) };
}

/** Cells in those tiles, the last one cut at the edge of the plane. */
function cellsIn(span: { first: number; last: number }, shift: number, length: number): number {
  const whole = Math.ceil(length / 2 ** shift);
  return Math.min(span.last * TILE_CELLS, whole) - span.first * TILE_CELLS;
}

/** The finest level with at least one pixel a cell whose tiles together stay within the budget. */
export function chooseLevel(view: View, extent: Extent, size: Size): Level {
  let rowShift = shiftFor(view.rowPx);
  let columnShift = shiftFor(view.columnPx);
  const area = visible(view, extent, size);
  for (;;) {
    const rows = cellsIn(tileSpan(area.firstRow, area.lastRow, rowShift), rowShift, extent.rows);
    const columns = cellsIn(tileSpan(area.firstColumn, area.lastColumn, columnShift), columnShift, extent.columns);
    if (rows * columns <= CELL_BUDGET) return { rowShift, columnShift };
    if (view.rowPx * 2 ** rowShift <= view.columnPx * 2 ** columnShift) rowShift++;
    else columnShift++;
  }
}

/** The level at which the whole plane is one tile. */
export function overviewLevel(extent: Extent): Level {
  const shift = (length: number) => Math.max(0, Math.ceil(Math.log2(length / TILE_CELLS)));
  return { rowShift: shift(extent.rows), columnShift: shift(extent.columns) };
}

/** Tiles of a level that the view touches, from the centre outwards. */
export function tilesIn(view: View, extent: Extent, size: Size, level: Level): TileAddress[] {
  const area = visible(view, extent, size);
  if (area.lastRow <= area.firstRow || area.lastColumn <= area.firstColumn) return [];
  const rows = tileSpan(area.firstRow, area.lastRow, level.rowShift);
  const columns = tileSpan(area.firstColumn, area.lastColumn, level.columnShift);
  const tiles: TileAddress[] = [];
  for (let tileRow = rows.first; tileRow < rows.last; tileRow++)
    for (let tileColumn = columns.first; tileColumn < columns.last; tileColumn++)
      tiles.push({ level, tileRow, tileColumn });
  const middleRow = (rows.first + rows.last - 1) / 2;
  const middleColumn = (columns.first + columns.last - 1) / 2;
  const distance = (tile: TileAddress) => Math.hypot(tile.tileRow - middleRow, tile.tileColumn - middleColumn);
  return tiles.sort((a, b) => distance(a) - distance(b));
}

/** Elements of a tile, cut at the edge of the plane, and its cells. */
export function tileRequest({ level, tileRow, tileColumn }: TileAddress, extent: Extent): TileRequest {
  const rowStep = 2 ** level.rowShift;
  const columnStep = 2 ** level.columnShift;
  const row0 = tileRow * TILE_CELLS * rowStep;
  const col0 = tileColumn * TILE_CELLS * columnStep;
  const rows = Math.min(TILE_CELLS * rowStep, extent.rows - row0);
  const cols = Math.min(TILE_CELLS * columnStep, extent.columns - col0);
  return { row0, rows, col0, cols, outRows: Math.ceil(rows / rowStep), outCols: Math.ceil(cols / columnStep) };
}

export function tileKey(sourceKey: string, { level, tileRow, tileColumn }: TileAddress): string {
  return `${sourceKey}|${level.rowShift},${level.columnShift}|${tileRow},${tileColumn}`;
}
