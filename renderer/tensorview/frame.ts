/** What a painter gets for each frame, and what a painter is. */
import type { Channel, Mapping, Range } from './range';
import type { Tile } from './source';
import type { Size, View } from './viewport';

/** How values become colours. */
export interface Look {
  channel: Channel;
  mapping: Mapping;
  log: boolean;
  range: Range;
  /** Uint8 [256 * 4] of colormap.ts */
  table: Uint8Array;
  /** bits of MARK that are drawn */
  marks: number;
  markColours: MarkColours;
}

/** 0..255, by bit: zero, subnormal, saturated, NaN. */
export type MarkColours = readonly [Rgb, Rgb, Rgb, Rgb];
export type Rgb = readonly [number, number, number];

export interface Frame {
  view: View;
  /** CSS pixels and device pixels per CSS pixel */
  size: Size;
  ratio: number;
  /** back to front */
  tiles: Tile[];
  look: Look;
}

export interface Painter {
  readonly kind: 'webgl2' | 'canvas2d';
  paint(frame: Frame): void;
  /** The tile will not be drawn again. */
  forget(tile: Tile): void;
  dispose(): void;
}

/** Cells smaller than this (device pixels) are tinted whole by their mark; larger ones carry a shape. */
export const MARK_SHAPE_PX = 6;

/** Share of the mark in a tinted cell, by bit: what is rare and wrong is loud, what is common leaves the value to be seen. */
export const MARK_TINTS = [0.35, 0.35, 0.85, 0.95] as const;

/** Where a tile lies on the canvas, in device pixels. */
export function tileBox(tile: Tile, { view, ratio }: Frame) {
  const { row0, rows, col0, cols, outRows, outCols } = tile.request;
  const width = cols * view.columnPx * ratio;
  const height = rows * view.rowPx * ratio;
  return {
    x: (col0 - view.column) * view.columnPx * ratio,
    y: (row0 - view.row) * view.rowPx * ratio,
    width,
    height,
    cellWidth: width / outCols,
    cellHeight: height / outRows,
  };
}
