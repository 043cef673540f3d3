/** The same picture without WebGL2: each tile becomes a small bitmap that the 2D canvas enlarges; shapes of marks are drawn one by one. */
import { type Frame, type Look, MARK_SHAPE_PX, MARK_TINTS, type Painter, type Rgb, tileBox } from './frame';
import { cellValue, place } from './range';
import { NO_VALUE, type Tile } from './source';

/** RGBA of one cell; `tint` says whether marks tint it (small cells) or are drawn over it later. */
export function markedColour(
  cells: Float32Array,
  index: number,
  look: Look,
  tint: boolean,
): [number, number, number, number] {
  const bits = cells[index * 4 + 3] ?? 0;
  const at =
    Math.floor(
      place(cellValue(cells, index, look.channel, look.mapping), look.range, look.mapping, look.log) * 255 + 0.5,
    ) * 4;
  const empty = (bits & NO_VALUE) !== 0;
  let colour: [number, number, number] = empty
    ? [0, 0, 0]
    : [look.table[at] ?? 0, look.table[at + 1] ?? 0, look.table[at + 2] ?? 0];
  let alpha = empty ? 0 : 1;
  if (tint)
    look.markColours.forEach((mark, bit) => {
      if ((bits & look.marks & (1 << bit)) === 0) return;
      const share = MARK_TINTS[bit] ?? 1;
      colour = colour.map((value, part) => value + ((mark[part] ?? 0) - value) * share) as [number, number, number];
      alpha = Math.max(alpha, share);
    });
  return [colour[0], colour[1], colour[2], Math.round(alpha * 255)];
}

/** Draws the shape of a mark into a cell. */
function drawShape(
  context: CanvasRenderingContext2D,
  bit: number,
  colour: Rgb,
  x: number,
  y: number,
  w: number,
  h: number,
) {
  context.fillStyle = `rgb(${colour.join(',')})`;
  const corner = Math.min(w, h) * 0.6;
  context.beginPath();
  if (bit === 3) context.rect(x, y, w, h);
  else if (bit === 2) {
    context.moveTo(x + w - corner, y);
    context.lineTo(x + w, y);
    context.lineTo(x + w, y + corner);
  } else if (bit === 1) {
    context.moveTo(x, y + h - corner);
    context.lineTo(x + corner, y + h);
    context.lineTo(x, y + h);
  } else context.arc(x + w / 2, y + h / 2, Math.min(w, h) * 0.16, 0, 2 * Math.PI);
  context.fill();
}

export class CanvasPainter implements Painter {
  readonly kind = 'canvas2d';
  private readonly context: CanvasRenderingContext2D;
  private readonly scratch = document.createElement('canvas');

  /** Throws when the canvas gives no 2D context. */
  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d');
    if (!context) throw new Error('This window has neither WebGL2 nor a 2D canvas.');
    this.context = context;
  }

  paint(frame: Frame): void {
    const width = Math.max(1, Math.round(frame.size.width * frame.ratio));
    const height = Math.max(1, Math.round(frame.size.height * frame.ratio));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    this.context.clearRect(0, 0, width, height);
    this.context.imageSmoothingEnabled = false;
    for (const tile of frame.tiles) this.paintTile(tile, frame);
  }

  private paintTile(tile: Tile, frame: Frame): void {
    const { outCols, outRows } = tile.request;
    const box = tileBox(tile, frame);
    const small = Math.min(box.cellWidth, box.cellHeight) < MARK_SHAPE_PX;
    const image = new ImageData(outCols, outRows);
    for (let index = 0; index < outCols * outRows; index++)
      image.data.set(markedColour(tile.cells, index, frame.look, small), index * 4);
    this.scratch.width = outCols;
    this.scratch.height = outRows;
    this.scratch.getContext('2d')?.putImageData(image, 0, 0);
    this.context.clearRect(box.x, box.y, box.width, box.height);
    this.context.drawImage(this.scratch, box.x, box.y, box.width, box.height);
    if (!small) this.paintShapes(tile, frame);
  }

  private paintShapes(tile: Tile, frame: Frame): void {
    const { outCols, outRows } = tile.request;
    const box = tileBox(tile, frame);
    for (let index = 0; index < outCols * outRows; index++) {
      const bits = (tile.cells[index * 4 + 3] ?? 0) & frame.look.marks;
      if (bits === 0) continue;
      const x = box.x + (index % outCols) * box.cellWidth;
      const y = box.y + Math.floor(index / outCols) * box.cellHeight;
      frame.look.markColours.forEach((colour, bit) => {
        if ((bits & (1 << bit)) !== 0) drawShape(this.context, bit, colour, x, y, box.cellWidth, box.cellHeight);
      });
    }
  }

  /** Bitmaps are made anew for each frame: nothing to forget. */
  forget(): void {}

  dispose(): void {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }
}
