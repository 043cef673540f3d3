/** From a value to a place on the colour table, and the range that is chosen for it. The shader computes the same. */
import { NO_VALUE, type Tile } from './source';

/** sequential: lo..hi; diverging: -hi..hi about 0; ratio: 1/hi..hi about 1, by logarithm. */
export const mappings = ['sequential', 'diverging', 'ratio'] as const;
export type Mapping = (typeof mappings)[number];

/** What of a reduced cell is coloured; for a cell of one element they are equal but for the sign. */
export const channels = ['mean', 'max', 'min', 'absmax'] as const;
export type Channel = (typeof channels)[number];
export const channelTitles: Record<Channel, string> = { mean: 'mean', max: 'max', min: 'min', absmax: 'max |x|' };

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
export function cellValue(cells: Float32Array, index: number, channel: Channel): number {
  if (((cells[index * 4 + 3] ?? 0) & NO_VALUE) !== 0) return Number.NaN;
  const min = cells[index * 4] ?? 0;
  const max = cells[index * 4 + 1] ?? 0;
  if (channel === 'mean') return cells[index * 4 + 2] ?? 0;
  if (channel === 'min') return min;
  return channel === 'max' ? max : Math.max(Math.abs(min), Math.abs(max));
}

/** All coloured numbers of some tiles, sorted. */
export function sortedValues(tiles: Iterable<Tile>, channel: Channel): Float32Array {
  const values: number[] = [];
  for (const tile of tiles)
    for (let index = 0; index < tile.cells.length / 4; index++) {
      const value = cellValue(tile.cells, index, channel);
      if (!Number.isNaN(value)) values.push(value);
    }
  return Float32Array.from(values).sort();
}

/** Range that leaves out `percent` of the cells at each end (0 = everything), fit for the mapping. */
export function autoRange(sorted: Float32Array, percent: number, mapping: Mapping, log: boolean): Range {
  if (sorted.length === 0) return mapping === 'ratio' ? { lo: 0.5, hi: 2 } : { lo: 0, hi: 1 };
  const at = (share: number, from: Float32Array) =>
    from[Math.min(from.length - 1, Math.max(0, Math.round(share * (from.length - 1))))] ?? 0;
  const low = at(percent / 100, sorted);
  const high = at(1 - percent / 100, sorted);
  if (mapping === 'ratio') {
    const spread = Math.max(high > 0 ? high : 1, low > 0 ? 1 / low : 1, 1.001);
    return { lo: 1 / spread, hi: spread };
  }
  if (mapping === 'diverging') {
    const hi = Math.max(Math.abs(low), Math.abs(high)) || 1e-12;
    return { lo: log ? hi * 1e-4 : 0, hi };
  }
  if (!log) return low === high ? { lo: Math.min(0, low), hi: Math.max(high, low + 1e-12) } : { lo: low, hi: high };
  const firstPositive = sorted.findIndex((value) => value > 0);
  if (firstPositive < 0) return { lo: 1e-12, hi: 1 };
  const positive = sorted.subarray(firstPositive);
  const lo = at(percent / 100, positive);
  return { lo, hi: Math.max(at(1 - percent / 100, positive), lo * (1 + 1e-6)) };
}

/** Where a range control begins and ends: all values, with room beside the points. */
export interface Axis {
  from: number;
  to: number;
  log: boolean;
}

/** Axis of the range control for these values. The ratio mapping and `log` need positive ends. */
export function rangeAxis(sorted: Float32Array, range: Range, mapping: Mapping, log: boolean): Axis {
  const first = sorted[0] ?? 0;
  const last = sorted[sorted.length - 1] ?? 1;
  if (mapping === 'ratio') {
    const spread = Math.max(range.hi, last > 0 ? last : 1, first > 0 ? 1 / first : 1) * 1.05;
    return { from: 1 / spread, to: spread, log: true };
  }
  if (mapping === 'diverging') {
    const limit = Math.max(Math.abs(first), Math.abs(last), range.hi) * 1.05 || 1;
    return { from: -limit, to: limit, log: false };
  }
  if (log) {
    const positive = sorted.find((value) => value > 0) ?? logFloor(range);
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
export function binValues(sorted: Float32Array, axis: Axis, bins: number): Float64Array {
  const counts = new Float64Array(bins);
  for (const value of sorted) {
    if (axis.log && value <= 0) continue;
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(axisPlace(value, axis) * bins)));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}
