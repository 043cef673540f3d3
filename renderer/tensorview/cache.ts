/** Tiles that have arrived, least recently used first out. */
import type { Tile } from './source';

export class TileCache {
  /** Insertion order is order of use. */
  private readonly tiles = new Map<string, Tile>();
  private bytes = 0;

  /** @param limit bytes of cell data kept; the default holds about 30 full looks at a plane. */
  constructor(private readonly limit = 32 * 1024 * 1024) {}

  get size(): number {
    return this.tiles.size;
  }

  get(key: string): Tile | undefined {
    const tile = this.tiles.get(key);
    if (tile) {
      this.tiles.delete(key);
      this.tiles.set(key, tile);
    }
    return tile;
  }

  /** Returns the tiles that had to go. */
  put(tile: Tile): Tile[] {
    const old = this.tiles.get(tile.key);
    if (old) this.bytes -= old.cells.byteLength;
    this.tiles.delete(tile.key);
    this.tiles.set(tile.key, tile);
    this.bytes += tile.cells.byteLength;
    const gone: Tile[] = old ? [old] : [];
    for (const [key, candidate] of this.tiles) {
      if (this.bytes <= this.limit || key === tile.key) break;
      this.tiles.delete(key);
      this.bytes -= candidate.cells.byteLength;
      gone.push(candidate);
    }
    return gone;
  }

  /** Every tile of a source, in any level. */
  *of(sourceKey: string): Generator<Tile> {
    const prefix = `${sourceKey}|`;
    for (const tile of this.tiles.values()) if (tile.key.startsWith(prefix)) yield tile;
  }

  /** Forgets a source whose numbers have changed under the same key, or everything. */
  clear(): void {
    this.tiles.clear();
    this.bytes = 0;
  }
}
