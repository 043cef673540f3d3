/** From a value to a place on the colour table, and the range that is chosen for it. The shader computes the same. */
import { NO_VALUE, type Tile } from './source';

/** sequential: lo..hi; diverging: -hi..hi about 0; ratio: 1/hi..hi about 1, by logarithm. */
export const mappings = ['sequential', 'diverging', 'ratio'] as const;
export type Mapping = (typeof mappings)[number];

/** What of a reduced cell is coloured; equal for a cell of one element. peak: the element furthest from 0 (from 1 for ratios), with its sign. */
export const channels = ['mean', 'max', 'min', 'peak'] as const;
export type Channel = (typeof channels)[number];
export const channelTitles: Record<Channel, string> = { mean: 'mean', max: 'max', min: 'min', peak: 'peak' };

export interface Range {
  lo: number;
  hi: number;
}

/** Smallest magnitude that a logarithm of the range takes: ten powers of ten under `hi` where `lo` is no help. */
export const logFloor = (range: Range) => (range.lo > 0 ? range.lo : Math.abs(range.hi) * 1e-10 || 1e-30);

/** Place of a value on the table, 0..1, clamped. */
export function place(value: number, range: Range, mapping: Mapping, log: boolean): number {
  const clampUnit = (t: number) => Math.min(1, Math.max(0, t));
  if (mapping === 'ratio') {
    if (!(value > 0)) return value === 0 ? 0 : 0.5;
    return clampUnit(0.5 + (0.5 * Math.log(value)) / Math.log(Math.max(range.hi, 1 + 1e-7)));
  }
  const logPlace = (magnitude: number) => {
    const floor = Math.log(logFloor(range));
    return clampUnit((Math.log(Math.max(magnitude, 1e-38)) - floor) / (Math.log(range.hi) - floor || 1));
  };
  if (mapping === 'diverging') {
    const limit = range.hi || 1;
    if (!log) return clampUnit(0.5 + (0.5 * value) / limit);
    return 0.5 + 0.5 * Math.sign(value) * logPlace(Math.abs(value));
  }
  if (log) return value > 0 ? logPlace(value) : 0;
  return clampUnit((value - range.lo) / (range.hi - range.lo || 1));
}

/** The coloured number of cell `index`, or NaN. */
export function cellValue(cells: Float32Array, index: number, channel: Channel, mapping: Mapping): number {
  if (((cells[index * 4 + 3] ?? 0) & NO_VALUE) !== 0) return Number.NaN;
  const min = cells[index * 4] ?? 0;
  const max = cells[index * 4 + 1] ?? 0;
  if (channel === 'mean') return cells[index * 4 + 2] ?? 0;
  if (channel === 'min') return min;
  if (channel === 'max') return max;
  if (mapping === 'ratio') return max * min >= 1 ? max : min;
  const negative = (cells[index * 4 + 2] ?? 0) < 0;
  // Extremes of a difference are magnitudes; its sign is that of the mean.
  if (min >= 0) return negative ? -max : max;
  if (-min === max) return negative ? min : max;
  return -min > max ? min : max;
}

/** Cells of the plane as ranges and histograms need them; each list is sorted. */
export interface Sample {
  /** what is coloured */
  shown: Float32Array;
  /** smallest and largest element of each cell: a range over them also holds when zooming in */
  low: Float32Array;
  high: Float32Array;
}

export const emptySample: Sample = { shown: new Float32Array(0), low: new Float32Array(0), high: new Float32Array(0) };

/** Gathers the cells of some tiles. Cells without a value are left out. */
export function sampleOf(tiles: readonly Tile[], channel: Channel, mapping: Mapping): Sample {
  const shown: number[] = [];
  const low: number[] = [];
  const high: number[] = [];
  for (const { cells } of tiles)
    for (let index = 0; index < cells.length / 4; index++) {
      const value = cellValue(cells, index, channel, mapping);
      if (Number.isNaN(value)) continue;
      shown.push(value);
      low.push(cellValue(cells, index, 'min', mapping));
      high.push(cellValue(cells, index, 'max', mapping));
    }
  return { shown: sorted(shown), low: sorted(low), high: sorted(high) };
}

const sorted = (values: number[]) => Float32Array.from(values).sort();

/** Value below which `share` of the list lies. */
function quantile(values: Float32Array, share: number): number {
  return values[Math.min(values.length - 1, Math.max(0, Math.round(share * (values.length - 1))))] ?? 0;
}

/** Range that leaves out `percent` of the cells at each end (0 = everything), fit for the mapping. */
export function autoRange({ low, high }: Sample, percent: number, mapping: Mapping, log: boolean): Range {
  if (high.length === 0) return mapping === 'ratio' ? { lo: 0.5, hi: 2 } : { lo: log ? 1e-3 : 0, hi: 1 };
  const smallest = quantile(low, percent / 100);
  const largest = quantile(high, 1 - percent / 100);
  if (mapping === 'ratio') {
    const spread = Math.max(largest > 0 ? largest : 1, smallest > 0 ? 1 / smallest : 1, 1.001);
    return { lo: 1 / spread, hi: spread };
  }
  if (mapping === 'diverging') {
    const hi = Math.max(Math.abs(smallest), Math.abs(largest)) || 1e-12;
    return { lo: log ? hi * 1e-4 : 0, hi };
  }
  if (!log)
    return smallest === largest
      ? { lo: Math.min(0, smallest), hi: Math.max(largest, smallest + 1e-12) }
      : { lo: smallest, hi: largest };
  const firstPositive = low.findIndex((value) => value > 0);
  if (firstPositive < 0 && !(largest > 0)) return { lo: 1e-12, hi: 1 };
  const lo = firstPositive < 0 ? largest * 1e-4 : quantile(low.subarray(firstPositive), percent / 100);
  return { lo, hi: Math.max(largest, lo * (1 + 1e-6)) };
}

/** Where a range control begins and ends: all values, with room beside the points. */
export interface Axis {
  from: number;
  to: number;
  log: boolean;
}

/** Axis of the range control for a sample. The ratio mapping and `log` need positive ends. */
export function rangeAxis({ low, high }: Sample, range: Range, mapping: Mapping, log: boolean): Axis {
  const first = low[0] ?? 0;
  const last = high[high.length - 1] ?? 1;
  if (mapping === 'ratio') {
    const spread = Math.max(range.hi, last > 0 ? last : 1, first > 0 ? 1 / first : 1) * 1.05;
    return { from: 1 / spread, to: spread, log: true };
  }
  if (mapping === 'diverging') {
    const limit = Math.max(Math.abs(first), Math.abs(last), range.hi) * 1.05 || 1;
    return { from: -limit, to: limit, log: false };
  }
  if (log) {
    const positive = low.find((value) => value > 0) ?? logFloor(range);
    return { from: Math.min(positive, logFloor(range)) / 1.2, to: Math.max(last, range.hi) * 1.2, log: true };
  }
  const room = (Math.max(last, range.hi) - Math.min(first, range.lo)) * 0.03 || 1;
  return { from: Math.min(first, range.lo) - room, to: Math.max(last, range.hi) + room, log: false };
}

/** Place 0..1 of a value on the axis. */
export function axisPlace(value: number, axis: Axis): number {
  if (!axis.log) return (value - axis.from) / (axis.to - axis.from);
  return Math.log(Math.max(value, 1e-38) / axis.from) / Math.log(axis.to / axis.from);
}

/** The value at a place 0..1 of the axis. */
export function axisValue(at: number, axis: Axis): number {
  return axis.log ? axis.from * (axis.to / axis.from) ** at : axis.from + at * (axis.to - axis.from);
}

/** Cells per bin along the axis. */
export function binValues(values: Float32Array, axis: Axis, bins: number): Float64Array {
  const counts = new Float64Array(bins);
  for (const value of values) {
    if (axis.log && value <= 0) continue;
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(axisPlace(value, axis) * bins)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}
