/** One heat map on the screen: holds source, view and look, asks for tiles, paints once a frame. No React here. */
import { framePainter } from '../stores/idle';
import { TileCache } from './cache';
import type { Look, Painter } from './frame';
import { chooseLevel, overviewLevel, tileKey, tilesIn } from './levels';
import { TileLoader } from './loader';
import { type OverlayColours, paintOverlay, paintRuler } from './overlay';
import { createPainter } from './painter';
import { type Channel, place } from './range';
import { MARK, NO_VALUE, type Tile, type TileSource } from './source';
import { clamp, fitPlane, type Size, type View, visible } from './viewport';

export interface SceneCanvases {
  cells: HTMLCanvasElement;
  overlay: HTMLCanvasElement;
  rowRuler: HTMLCanvasElement;
  columnRuler: HTMLCanvasElement;
}

/** Tiles that together are a look at the plane: what automatic ranges and the range histogram are made from. */
export interface SampledTiles {
  /** key of the source */
  key: string;
  /** the whole plane at the best level of a fitted view, not only its overview or a part */
  whole: boolean;
  tiles: Tile[];
}

export interface SceneEvents {
  sample(sampled: SampledTiles): void;
  failed(error: unknown): void;
  /** Tiles on their way; the picture is complete at 0. */
  pending(count: number): void;
}

/** What is known of the cell over an element. `rows` x `columns` elements were reduced to it. */
export interface CellReading {
  min: number;
  max: number;
  mean: number;
  marks: number;
  rows: number;
  columns: number;
}

export const RULER_ROWS_PX = 46;
export const RULER_COLUMNS_PX = 18;
/** Tiles of other levels drawn under the wanted ones while those are on their way, in views that they would cover. */
const STALE_COVER = 1.5;

export class HeatMapScene {
  readonly painterKind: Painter['kind'];
  private readonly cache = new TileCache();
  private readonly loader: TileLoader;
  private readonly painter: Painter;
  private source: TileSource | null = null;
  private look: Look | null = null;
  private view: View | null = null;
  private size: Size = { width: 0, height: 0 };
  private ratio = 1;
  private colours: OverlayColours | null = null;
  private formatCell: (value: number) => string = String;
  private picked: { row: number; column: number } | null = null;
  private hovered: { row: number; column: number } | null = null;
  private readonly frame = framePainter(() => this.paint());

  constructor(
    private readonly canvases: SceneCanvases,
    private readonly events: SceneEvents,
  ) {
    this.painter = createPainter(canvases.cells, () => {
      const fresh = canvases.cells.cloneNode() as HTMLCanvasElement;
      canvases.cells.replaceWith(fresh);
      canvases.cells = fresh;
      return fresh;
    });
    this.painterKind = this.painter.kind;
    this.loader = new TileLoader(
      {
        tile: (tile) => this.arrived(tile),
        failed: (error) => this.events.failed(error),
        pending: (count) => {
          if (count === 0) this.offerSample();
          this.events.pending(count);
        },
      },
      (key) => this.cache.get(key) !== undefined,
    );
  }

  /** A different key shows different numbers; what is already cached under it appears at once. */
  setSource(source: TileSource | null): void {
    if (source?.key === this.source?.key) {
      this.source = source;
      return;
    }
    const before = this.source;
    this.source = source;
    if (!source) {
      this.loader.stop();
      this.view = null;
    } else if (!before || before.rows !== source.rows || before.columns !== source.columns) {
      this.view = null;
    }
    const overview = this.overview();
    if (source && overview) this.events.sample({ key: source.key, whole: false, tiles: [overview] });
    this.wantTiles();
    this.schedule();
  }

  /** The coarse tile of the whole plane, if it has arrived. */
  overview(): Tile | null {
    const { source } = this;
    if (!source) return null;
    const key = tileKey(source.key, { level: overviewLevel(source), tileRow: 0, tileColumn: 0 });
    return this.cache.get(key) ?? null;
  }

  setLook(look: Look): void {
    this.look = look;
    this.schedule();
  }

  setInk(colours: OverlayColours, formatCell: (value: number) => string): void {
    this.colours = colours;
    this.formatCell = formatCell;
    this.schedule();
  }

  setPicked(picked: { row: number; column: number } | null): void {
    this.picked = picked;
    this.schedule();
  }

  setHovered(hovered: { row: number; column: number } | null): void {
    if (hovered?.row === this.hovered?.row && hovered?.column === this.hovered?.column) return;
    this.hovered = hovered;
    this.schedule();
  }

  setSize(size: Size, ratio: number): void {
    const fitted = this.view && this.source && sameView(this.view, fitPlane(this.source, this.size));
    this.size = size;
    this.ratio = ratio;
    if (this.source && this.view)
      this.view = fitted ? fitPlane(this.source, size) : clamp(this.view, this.source, size);
    this.wantTiles();
    this.schedule();
  }

  /** null = the whole plane. */
  setView(view: View | null): void {
    this.view = view && this.source ? clamp(view, this.source, this.size) : view;
    this.wantTiles();
    this.schedule();
  }

  /** The view in force (fitted where none was set), or null without a source or a size. */
  currentView(): View | null {
    if (!this.source || this.size.width <= 0 || this.size.height <= 0) return null;
    return this.view ?? fitPlane(this.source, this.size);
  }

  currentSize(): Size {
    return this.size;
  }

  /** What the finest tile at hand says about the cell over an element. */
  read(row: number, column: number): CellReading | null {
    const view = this.currentView();
    const { source } = this;
    if (!source || !view) return null;
    let best: Tile | null = null;
    for (const tile of this.cache.of(source.key)) {
      const { row0, rows, col0, cols } = tile.request;
      if (row < row0 || row >= row0 + rows || column < col0 || column >= col0 + cols) continue;
      if (!best || area(tile) < area(best)) best = tile;
    }
    if (!best) return null;
    const { row0, rows, col0, cols, outRows, outCols } = best.request;
    const index =
      Math.floor(((row - row0) * outRows) / rows) * outCols + Math.floor(((column - col0) * outCols) / cols);
    const [min = 0, max = 0, mean = 0, marks = 0] = best.cells.subarray(index * 4, index * 4 + 4);
    const none = (marks & NO_VALUE) !== 0;
    const or = (value: number) => (none ? Number.NaN : value);
    return {
      min: or(min),
      max: or(max),
      mean: or(mean),
      marks: marks & ~NO_VALUE,
      rows: Math.min(rows, 2 ** best.level.rowShift),
      columns: Math.min(cols, 2 ** best.level.columnShift),
    };
  }

  /** Asks again for what failed. */
  retry(): void {
    this.wantTiles();
  }

  dispose(): void {
    this.frame.cancel();
    this.loader.stop();
    this.painter.dispose();
    this.cache.clear();
  }

  private arrived(tile: Tile): void {
    for (const gone of this.cache.put(tile)) this.painter.forget(gone);
    const overview = this.overview();
    if (this.source && overview === tile) this.events.sample({ key: this.source.key, whole: false, tiles: [tile] });
    this.schedule();
  }

  private wantTiles(): void {
    const { source } = this;
    const view = this.currentView();
    if (!source || !view) return;
    const level = chooseLevel(view, source, this.size);
    const overview = { level: overviewLevel(source), tileRow: 0, tileColumn: 0 };
    this.loader.want(source, [overview, ...tilesIn(view, source, this.size, level)]);
  }

  /** When a fitted view is complete, its tiles are the best sample of the plane. */
  private offerSample(): void {
    const { source } = this;
    const view = this.currentView();
    if (!source || !view || !sameView(view, fitPlane(source, this.size))) return;
    const level = chooseLevel(view, source, this.size);
    const tiles: Tile[] = [];
    for (const address of tilesIn(view, source, this.size, level)) {
      const tile = this.cache.get(tileKey(source.key, address));
      if (!tile) return;
      tiles.push(tile);
    }
    this.events.sample({ key: source.key, whole: true, tiles });
  }

  private schedule(): void {
    this.frame.request();
  }

  /** Tiles on the screen, those of other levels first and the nearest level last among them. */
  private shownTiles(source: TileSource, view: View): Tile[] {
    const wanted = chooseLevel(view, source, this.size);
    const seen = visible(view, source, this.size);
    const shown: { tile: Tile; distance: number }[] = [];
    for (const tile of this.cache.of(source.key)) {
      const { row0, rows, col0, cols } = tile.request;
      const outside =
        row0 >= seen.lastRow ||
        row0 + rows <= seen.firstRow ||
        col0 >= seen.lastColumn ||
        col0 + cols <= seen.firstColumn;
      if (outside) continue;
      const distance =
        Math.abs(tile.level.rowShift - wanted.rowShift) + Math.abs(tile.level.columnShift - wanted.columnShift);
      shown.push({ tile, distance });
    }
    shown.sort((a, b) => b.distance - a.distance);
    const current = shown.filter(({ distance }) => distance === 0);
    const complete = current.length >= tilesIn(view, source, this.size, wanted).length;
    const stale = complete ? [] : under(shown.slice(0, shown.length - current.length), seen);
    return [...stale, ...current].map(({ tile }) => tile);
  }

  private paint(): void {
    const { source, look, colours } = this;
    const view = this.currentView();
    if (!look || !colours) return;
    const size = this.size;
    if (!source || !view) {
      const nothing = { row: 0, column: 0, rowPx: 1, columnPx: 1 };
      if (size.width > 0) this.painter.paint({ view: nothing, size, ratio: this.ratio, tiles: [], look });
      return;
    }
    const tiles = this.shownTiles(source, view);
    this.painter.paint({ view, size, ratio: this.ratio, tiles, look });
    const { picked, hovered, ratio, formatCell } = this;
    const channel: Channel = look.channel;
    const exact = tiles.filter(({ level }) => level.rowShift === 0 && level.columnShift === 0);
    const inkFor = (value: number) => inkOn(look, value);
    const common = { view, extent: source, size, ratio, picked, colours };
    paintOverlay(this.canvases.overlay, {
      ...common,
      hovered,
      exact,
      channel,
      mapping: look.mapping,
      formatCell,
      inkFor,
    });
    paintRuler(this.canvases.rowRuler, 'rows', common, RULER_ROWS_PX);
    paintRuler(this.canvases.columnRuler, 'columns', common, RULER_COLUMNS_PX);
  }
}

/**
 * Of tiles sorted from the furthest level to the nearest: the furthest, which covers most, and the nearest until they would
 * cover the view 1.5 times. Every tile more is painted over and costs as much as one that is seen.
 */
function under<T extends { tile: Tile }>(tiles: readonly T[], seen: ReturnType<typeof visible>): T[] {
  const whole = (seen.lastRow - seen.firstRow) * (seen.lastColumn - seen.firstColumn);
  let covered = 0;
  let first = tiles.length;
  while (first > 0 && covered < STALE_COVER * whole) {
    first--;
    const { row0, rows, col0, cols } = (tiles[first] as T).tile.request;
    const height = Math.min(row0 + rows, seen.lastRow) - Math.max(row0, seen.firstRow);
    const width = Math.min(col0 + cols, seen.lastColumn) - Math.max(col0, seen.firstColumn);
    covered += height * width;
  }
  return [...tiles.slice(0, Math.min(1, first)), ...tiles.slice(first)];
}

const area = ({ request: { rows, cols, outRows, outCols } }: Tile) => (rows / outRows) * (cols / outCols);

const sameView = (a: View, b: View) =>
  a.row === b.row && a.column === b.column && a.rowPx === b.rowPx && a.columnPx === b.columnPx;

/** Black or white, whichever is easier to read on the colour of a value. */
function inkOn(look: Look, value: number): string {
  const at = Math.floor(place(value, look.range, look.mapping, look.log) * 255 + 0.5) * 4;
  if (Number.isNaN(at)) return '#ffffff';
  const [red = 0, green = 0, blue = 0] = look.table.subarray(at, at + 3);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? '#000000' : '#ffffff';
}

/** Names of the marks set in `marks`, in words. */
export function markWords(marks: number): string {
  const words: string[] = [];
  if (marks & MARK.nan) words.push('NaN');
  if (marks & MARK.saturated) words.push('saturated');
  if (marks & MARK.subnormal) words.push('subnormal');
  if (marks & MARK.zero) words.push('zero');
  return words.join(', ');
}
