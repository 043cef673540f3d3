/** What lies over the cells: borders and values when far in, the picked and the hovered element, and the two rulers. */
import { type Channel, cellValue, type Mapping } from './range';
import { MARK, type Tile } from './source';
import { type Extent, rulerStep, type Size, type View, visible } from './viewport';

export interface OverlayColours {
  text: string;
  faint: string;
  line: string;
  picked: string;
  background: string;
  font: string;
}

export interface OverlayScene {
  view: View;
  extent: Extent;
  size: Size;
  ratio: number;
  picked: { row: number; column: number } | null;
  hovered: { row: number; column: number } | null;
  /** tiles of one element a cell that are on the screen */
  exact: Tile[];
  channel: Channel;
  mapping: Mapping;
  formatCell: (value: number) => string;
  /** dark or light text for a value */
  inkFor: (value: number) => string;
  colours: OverlayColours;
}

const BORDER_PX = 7;
const TEXT_ROW_PX = 13;
const TEXT_COLUMN_PX = 46;

function prepare(canvas: HTMLCanvasElement, size: Size, ratio: number): CanvasRenderingContext2D | null {
  const width = Math.max(1, Math.round(size.width * ratio));
  const height = Math.max(1, Math.round(size.height * ratio));
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d');
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, size.width, size.height);
  return context;
}

export function paintOverlay(canvas: HTMLCanvasElement, scene: OverlayScene): void {
  const context = prepare(canvas, scene.size, scene.ratio);
  if (!context) return;
  const { view } = scene;
  if (view.rowPx >= BORDER_PX && view.columnPx >= BORDER_PX) paintBorders(context, scene);
  if (view.rowPx >= TEXT_ROW_PX && view.columnPx >= TEXT_COLUMN_PX) paintValues(context, scene);
  if (scene.hovered) outline(context, scene, scene.hovered, scene.colours.line, 1);
  if (scene.picked) {
    outline(context, scene, scene.picked, scene.colours.background, 4);
    outline(context, scene, scene.picked, scene.colours.picked, 2);
  }
}

function outline(
  context: CanvasRenderingContext2D,
  { view }: OverlayScene,
  element: { row: number; column: number },
  colour: string,
  width: number,
): void {
  // A picked element smaller than six pixels still needs a frame that can be seen.
  const w = Math.max(6, view.columnPx);
  const h = Math.max(6, view.rowPx);
  const x = (element.column + 0.5 - view.column) * view.columnPx - w / 2;
  const y = (element.row + 0.5 - view.row) * view.rowPx - h / 2;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.strokeRect(x, y, w, h);
}

function paintBorders(context: CanvasRenderingContext2D, { view, extent, size, colours }: OverlayScene): void {
  const area = visible(view, extent, size);
  const right = Math.min(size.width, (extent.columns - view.column) * view.columnPx);
  const bottom = Math.min(size.height, (extent.rows - view.row) * view.rowPx);
  context.strokeStyle = colours.background;
  context.globalAlpha = 0.45;
  context.lineWidth = 1;
  context.beginPath();
  for (let row = area.firstRow; row <= area.lastRow; row++) {
    const y = Math.round((row - view.row) * view.rowPx) + 0.5;
    context.moveTo(0, y);
    context.lineTo(right, y);
  }
  for (let column = area.firstColumn; column <= area.lastColumn; column++) {
    const x = Math.round((column - view.column) * view.columnPx) + 0.5;
    context.moveTo(x, 0);
    context.lineTo(x, bottom);
  }
  context.stroke();
  context.globalAlpha = 1;
}

function paintValues(context: CanvasRenderingContext2D, scene: OverlayScene): void {
  const { view, extent, size } = scene;
  const area = visible(view, extent, size);
  context.font = scene.colours.font;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  for (const tile of scene.exact) {
    const { row0, rows, col0, cols } = tile.request;
    for (let row = Math.max(row0, area.firstRow); row < Math.min(row0 + rows, area.lastRow); row++)
      for (let column = Math.max(col0, area.firstColumn); column < Math.min(col0 + cols, area.lastColumn); column++) {
        const index = (row - row0) * cols + (column - col0);
        const value = cellValue(tile.cells, index, scene.channel, scene.mapping);
        const isNan = ((tile.cells[index * 4 + 3] ?? 0) & MARK.nan) !== 0;
        context.fillStyle = scene.inkFor(value);
        const x = (column + 0.5 - view.column) * view.columnPx;
        const y = (row + 0.5 - view.row) * view.rowPx;
        context.fillText(isNan ? 'NaN' : scene.formatCell(value), x, y + 0.5, view.columnPx - 4);
      }
  }
}

/** Row numbers at the left, column numbers on top; labels sit at the middle of their element. */
export function paintRuler(
  canvas: HTMLCanvasElement,
  axis: 'rows' | 'columns',
  scene: Pick<OverlayScene, 'view' | 'extent' | 'size' | 'ratio' | 'picked' | 'colours'>,
  thickness: number,
): void {
  const { view, extent, size, colours } = scene;
  const along = axis === 'rows' ? size.height : size.width;
  const box = axis === 'rows' ? { width: thickness, height: along } : { width: along, height: thickness };
  const context = prepare(canvas, box, scene.ratio);
  if (!context) return;
  const start = axis === 'rows' ? view.row : view.column;
  const elementPx = axis === 'rows' ? view.rowPx : view.columnPx;
  const length = axis === 'rows' ? extent.rows : extent.columns;
  const step = rulerStep(elementPx, axis === 'rows' ? 22 : 44);
  context.font = colours.font;
  context.textBaseline = 'middle';
  context.textAlign = axis === 'rows' ? 'right' : 'center';
  const picked = scene.picked === null ? -1 : axis === 'rows' ? scene.picked.row : scene.picked.column;
  const pickedAt = (picked + 0.5 - start) * elementPx;
  const put = (index: number, strong: boolean) => {
    const at = (index + 0.5 - start) * elementPx;
    if (at < 6 || at > along - 2) return;
    if (!strong && picked >= 0 && Math.abs(at - pickedAt) < (axis === 'rows' ? 14 : 36)) return;
    context.fillStyle = strong ? colours.picked : colours.faint;
    if (axis === 'rows') {
      context.fillText(String(index), thickness - 7, at);
      context.fillRect(thickness - 4, at, 4, 1);
    } else {
      context.fillText(String(index), Math.max(12, at), thickness / 2 - 1);
      context.fillRect(at, thickness - 4, 1, 4);
    }
  };
  const first = Math.ceil(Math.max(0, start) / step) * step;
  for (let index = first; index < Math.min(length, start + along / elementPx); index += step) put(index, false);
  if (picked >= 0) put(picked, true);
}
