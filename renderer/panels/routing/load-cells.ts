/** The load strip as pixels, and which batch and experts lie under one of them. Pure. */
import type { RoutingWindow } from '../../../electron/contract/routing';

/** The scale ends at an eighth and at eight times an even spread; beyond, the ends' colours. */
export const loadScale = { least: 1 / 8, most: 8 } as const;

/** 0..255 on the colour map, log2; null = no rows. */
export function loadColour(load: number): number | null {
  if (!(load > 0)) return null;
  const { least, most } = loadScale;
  const share = Math.log2(load / least) / Math.log2(most / least);
  return Math.round(255 * Math.min(1, Math.max(0, share)));
}

export type Rgb = readonly [number, number, number];

/**
 * RGBA of every cell, row-major, for a canvas of `columns` x `rows` pixels.
 * @param map Uint8 [256 * 4]
 * @param colours of an expert without rows, and of batches whose routing is not known
 */
export function loadPixels(
  { load, columns, rows }: Pick<RoutingWindow, 'load' | 'columns' | 'rows'>,
  map: Uint8Array,
  colours: { none: Rgb; unknown: Rgb },
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(columns * rows * 4);
  for (let cell = 0; cell < columns * rows; cell++) {
    const value = load[cell]!;
    const at = loadColour(value);
    if (at === null) pixels.set(Number.isNaN(value) ? colours.unknown : colours.none, cell * 4);
    else pixels.set(map.subarray(at * 4, at * 4 + 3), cell * 4);
    pixels[cell * 4 + 3] = 255;
  }
  return pixels;
}

export interface Cell {
  column: number;
  row: number;
  firstBatch: number;
  lastBatch: number;
  firstExpert: number;
  lastExpert: number;
}

/** The cell at a place given as shares 0..1 of the strip; null outside it. */
export function cellAt(window: RoutingWindow, x: number, y: number): Cell | null {
  const { first, last, columns, rows, experts, expertsPerRow } = window;
  if (!(x >= 0 && x < 1 && y >= 0 && y < 1) || columns === 0) return null;
  const column = Math.floor(x * columns);
  const row = Math.floor(y * rows);
  const span = last - first + 1;
  return {
    column,
    row,
    firstBatch: first + Math.floor((span * column) / columns),
    lastBatch: first + Math.floor((span * (column + 1)) / columns) - 1,
    firstExpert: row * expertsPerRow,
    lastExpert: Math.min(experts, (row + 1) * expertsPerRow) - 1,
  };
}
