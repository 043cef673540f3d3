/** Cells as colours: what of a tile depends on the look alone is worked out once a cell, not once a pixel of every frame. */
import { type Look, MARK_TINTS } from './frame';
import { cellValue, place } from './range';
import { NO_VALUE, type Tile } from './source';

/**
 * RGBA bytes [cells * 4].
 * @param tinted true: marks tint the colour and alpha is opacity, as small cells are drawn; false: alpha holds the bits of the
 *   cell's marks with NO_VALUE, and the shader draws their shapes
 */
export function bakeTile({ cells }: Pick<Tile, 'cells'>, look: Look, tinted: boolean): Uint8Array {
  const { channel, mapping, range, log, table, markColours } = look;
  const baked = new Uint8Array(cells.length);
  for (let index = 0; index < cells.length / 4; index++) {
    const to = index * 4;
    const bits = cells[to + 3] ?? 0;
    const none = (bits & NO_VALUE) !== 0;
    if (!none) {
      const at = Math.floor(place(cellValue(cells, index, channel, mapping), range, mapping, log) * 255 + 0.5) * 4;
      baked[to] = table[at] ?? 0;
      baked[to + 1] = table[at + 1] ?? 0;
      baked[to + 2] = table[at + 2] ?? 0;
    }
    baked[to + 3] = tinted ? (none ? 0 : 255) : bits;
    if (!tinted || (bits & look.marks) === 0) continue;
    for (let bit = 0; bit < MARK_TINTS.length; bit++) {
      if ((bits & look.marks & (1 << bit)) === 0) continue;
      const share = MARK_TINTS[bit] ?? 1;
      const mark = markColours[bit] ?? [0, 0, 0];
      for (let part = 0; part < 3; part++) {
        const value = baked[to + part] ?? 0;
        baked[to + part] = Math.round(value + ((mark[part] ?? 0) - value) * share);
      }
      baked[to + 3] = Math.max(baked[to + 3] ?? 0, Math.round(share * 255));
    }
  }
  return baked;
}

/** Whether two looks bake to the same bytes. */
export function bakesAlike(a: Look, b: Look): boolean {
  return (
    a === b ||
    (a.channel === b.channel &&
      a.mapping === b.mapping &&
      a.log === b.log &&
      a.range.lo === b.range.lo &&
      a.range.hi === b.range.hi &&
      a.table === b.table &&
      a.marks === b.marks &&
      a.markColours === b.markColours)
  );
}
