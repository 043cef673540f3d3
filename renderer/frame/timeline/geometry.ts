/** Where things lie on the timeline. Pure: pixels, batches and tokens only. */
import type { TimelineRange } from '../../stores/view';

export interface Range {
  first: number;
  last: number;
}

/** Least number of batches shown. */
export const leastSpan = 20;

/** The range on screen: with `follow` the newest batches at the right edge, as many as the range is wide. */
export function rangeNow(timeline: TimelineRange, total: number): Range {
  if (!timeline.follow) return { first: timeline.first, last: timeline.last };
  const span = timeline.last - timeline.first + 1;
  const first = Math.max(0, total - span);
  return { first, last: first + span - 1 };
}

/** The range after zooming: `factor` < 1 shows fewer batches; the batch at `centre` keeps its place. */
export function zoomed(range: Range, factor: number, centre: number, total: number): Range {
  const span = range.last - range.first + 1;
  const wanted = Math.min(Math.max(leastSpan, span * factor), Math.max(leastSpan, total * 1.1, span));
  const share = (centre - range.first) / span;
  return clamped({ first: centre - share * wanted, last: centre - share * wanted + wanted - 1 }, total);
}

/** Moved by a number of batches. */
export function panned(range: Range, by: number, total: number): Range {
  return clamped({ first: range.first + by, last: range.last + by }, total);
}

/** At least some batch stays in sight. */
function clamped({ first, last }: Range, total: number): Range {
  const span = last - first;
  const start = Math.max(0, Math.min(first, Math.max(0, total - 1 - span * 0.1)));
  return { first: start, last: start + span };
}

/** Horizontal place of the left edge of a batch, pixels from the left of the plot. */
export function batchToX(batch: number, range: Range, width: number): number {
  return ((batch - range.first) / (range.last - range.first + 1)) * width;
}

/** The batch under a pixel; may lie outside the range. */
export function xToBatch(x: number, range: Range, width: number): number {
  return Math.floor(range.first + (x / width) * (range.last - range.first + 1));
}

/** The lane of tokens: log2 scale from 1 at the bottom to a power of two at the top. */
export interface TokenScale {
  top: number;
  height: number;
  /** largest tokens shown, a power of two */
  max: number;
}

export function tokensToY(tokens: number, { top, height, max }: TokenScale): number {
  const share = Math.log2(Math.max(1, tokens)) / Math.log2(max);
  return top + height * (1 - Math.min(1, share));
}

export function yToTokens(y: number, { top, height, max }: TokenScale): number {
  const share = Math.min(1, Math.max(0, 1 - (y - top) / height));
  return Math.round(2 ** (share * Math.log2(max)));
}

/** A power of two that holds all the values, at least 256. */
export function tokensTop(...values: number[]): number {
  const largest = Math.max(256, ...values.filter(Number.isFinite));
  return 2 ** Math.ceil(Math.log2(largest));
}

/** Round batch numbers for the axis, about `count` of them, in the range. */
export function ticks(range: Range, count: number): number[] {
  const span = range.last - range.first + 1;
  const raw = Math.max(1, span / Math.max(1, count));
  const decade = 10 ** Math.floor(Math.log10(raw));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * decade).find((candidate) => candidate >= raw)!);
  const marks: number[] = [];
  for (let mark = Math.ceil(range.first / step) * step; mark <= range.last; mark += step) marks.push(mark);
  return marks;
}
