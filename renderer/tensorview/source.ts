/** What a heat map looks at: one plane of a tensor, a ratio of two, or a difference, always through tiles that the engine reduced. */
import type { TileReply } from '../../electron/contract/batch';

/** Rectangle in logical elements and the number of cells it is reduced to. */
export interface TileRequest {
  row0: number;
  rows: number;
  col0: number;
  cols: number;
  outRows: number;
  outCols: number;
}

export interface TileSource {
  /** Same key, same numbers: tiles are cached under it. */
  readonly key: string;
  readonly rows: number;
  readonly columns: number;
  fetch(request: TileRequest, signal: AbortSignal): Promise<TileReply>;
}

/** Bits of `marks`, as the engine sets them; NO_VALUE is ours: a cell in which nothing is finite. */
export const MARK = { zero: 1, subnormal: 2, saturated: 4, nan: 8 } as const;
export type MarkName = keyof typeof MARK;
export const markNames: readonly MarkName[] = ['zero', 'subnormal', 'saturated', 'nan'];
export const NO_VALUE = 16;

/** A tile that has arrived. `cells` holds min, max, mean, marks for each cell, ready to be a texture. */
export interface Tile {
  readonly key: string;
  readonly level: Level;
  readonly request: TileRequest;
  readonly cells: Float32Array; // [outRows * outCols * 4]
}

/** Elements per cell are 2^rowShift x 2^columnShift. */
export interface Level {
  readonly rowShift: number;
  readonly columnShift: number;
}

const LARGEST = 3.4028234663852886e38;
const finite = (value: number) =>
  value === Number.POSITIVE_INFINITY ? LARGEST : value === Number.NEGATIVE_INFINITY ? -LARGEST : value;

/** Interleaves a reply for the painters. Infinite values are clamped to the largest float, cells without any value become 0 with NO_VALUE set. */
export function packCells(reply: TileReply): Float32Array {
  const count = reply.outRows * reply.outCols;
  const cells = new Float32Array(count * 4);
  for (let index = 0; index < count; index++) {
    const mean = reply.mean[index] ?? Number.NaN;
    const empty = Number.isNaN(mean);
    cells[index * 4] = empty ? 0 : finite(reply.min[index] ?? 0);
    cells[index * 4 + 1] = empty ? 0 : finite(reply.max[index] ?? 0);
    cells[index * 4 + 2] = empty ? 0 : finite(mean);
    cells[index * 4 + 3] = (reply.marks[index] ?? 0) | (empty ? NO_VALUE : 0);
  }
  return cells;
}
