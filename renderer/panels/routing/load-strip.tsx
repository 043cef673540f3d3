/** Experts x batches: how much work each expert gets over time, one cell a pixel or more. */
import { type PointerEvent, useEffect, useRef, useState } from 'react';
import type { RoutingWindow } from '../../../electron/contract/routing';
import { ExportButtons } from '../../charts/export-buttons';
import { useSize } from '../../charts/size';
import { toCsv } from '../../format/csv';
import { formatCount, formatValue } from '../../format/numbers';
import { Block } from '../../frame/panel-frame';
import { framePainter } from '../../stores/idle';
import { selectBatch, selectRouted, useSelection } from '../../stores/selection';
import { useView } from '../../stores/view';
import { colourTable, parseColour } from '../../tensorview/colormap';
import { tokenValue } from '../../theme/palette';
import { cellAt, loadPixels, loadScale } from './load-cells';

const map = 'viridis';

interface LoadStripProps {
  window: RoutingWindow | null;
  /** CSS pixels of the strip */
  height: number;
  /** told of the strip's width, CSS pixels */
  onWidth: (width: number) => void;
}

export function LoadStrip({ window: load, height, onWidth }: LoadStripProps) {
  const [box, { width }] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useView((state) => state.theme);
  const batch = useSelection((state) => state.batch);
  const expert = useSelection((state) => state.expert);
  const [hover, setHover] = useState<{ x: number; y: number } | null>(null);
  useEffect(() => onWidth(width), [width, onWidth]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes the colours that are read
  useEffect(() => {
    const painter = framePainter(() => {
      if (canvas.current && load && width > 0) paint(canvas.current, load, { width, height }, { batch, expert });
    });
    painter.request();
    return () => painter.cancel();
  }, [load, width, height, batch, expert, theme]);

  const at = (event: PointerEvent) => {
    const { offsetX, offsetY } = event.nativeEvent;
    return load && cellAt(load, offsetX / width, offsetY / height);
  };
  const pick = (event: PointerEvent) => {
    const cell = at(event);
    if (!cell) return;
    void selectBatch(cell.firstBatch);
    selectRouted(null, cell.firstExpert);
  };
  return (
    <Block
      title="Load of the experts"
      note={load ? note(load) : undefined}
      actions={load && <ExportButtons name="expert-load" csv={() => csv(load)} picture={() => box.current} />}
    >
      <Scale experts={load?.experts ?? 0} unknown={load?.load.some(Number.isNaN) ?? false} />
      <div ref={box} className="load-strip" style={{ height }}>
        <canvas
          ref={canvas}
          role="img"
          aria-label={
            load ? `Load of ${load.experts} experts over ${load.last - load.first + 1} batches` : 'No load yet'
          }
          style={{ width, height }}
          onPointerMove={(event) => setHover({ x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY })}
          onPointerLeave={() => setHover(null)}
          onPointerDown={pick}
        />
        {hover && load && <Hover window={load} place={hover} width={width} height={height} />}
      </div>
    </Block>
  );
}

/** What the colours mean, and which way the experts run. */
function Scale({ experts, unknown }: { experts: number; unknown: boolean }) {
  const table = colourTable(map);
  const stops = Array.from({ length: 9 }, (_, at) => {
    const index = Math.round((at / 8) * 255) * 4;
    return `rgb(${table[index]} ${table[index + 1]} ${table[index + 2]})`;
  });
  return (
    <div className="load-scale">
      <span className="muted">expert 0 at the top{experts > 0 && `, ${formatCount(experts - 1)} at the bottom`}</span>
      <span className="load-scale-map">
        {unknown && (
          <>
            <i className="load-unknown" /> not known
          </>
        )}
        <i className="load-none" /> no rows
        <span className="number">{`1/${1 / loadScale.least}`}</span>
        <i className="load-ramp" style={{ background: `linear-gradient(to right, ${stops.join(', ')})` }} />
        <span className="number">{`${loadScale.most}x`}</span>
        <span className="muted">of an even spread; middle = even</span>
      </span>
    </div>
  );
}

interface HoverProps {
  window: RoutingWindow;
  place: { x: number; y: number };
  width: number;
  height: number;
}

function Hover({ window: load, place, width, height }: HoverProps) {
  const cell = cellAt(load, place.x / width, place.y / height);
  if (!cell) return null;
  const value = load.load[cell.row * load.columns + cell.column]!;
  const range = (first: number, last: number) =>
    first === last ? formatCount(first) : `${formatCount(first)} to ${formatCount(last)}`;
  return (
    <div
      className="timeline-hover number"
      style={{
        top: Math.min(place.y + 12, height - 54),
        ...(place.x > width / 2 ? { right: width - place.x + 12 } : { left: place.x + 12 }),
      }}
    >
      <div>batch {range(cell.firstBatch, cell.lastBatch)}</div>
      <div>expert {range(cell.firstExpert, cell.lastExpert)}</div>
      <div>{Number.isNaN(value) ? 'routing not known' : `${formatValue(value, 3)}x an even spread`}</div>
    </div>
  );
}

function note({ first, last, columns, expertsPerRow, exactFrom }: RoutingWindow): string {
  const perColumn = (last - first + 1) / Math.max(1, columns);
  const parts = [`batches ${formatCount(first)} to ${formatCount(last)}`];
  if (perColumn > 1) parts.push(`a column is about ${formatValue(perColumn, 3)} batches`);
  if (expertsPerRow > 1) parts.push(`a row is the busiest of ${expertsPerRow} experts`);
  if (first < exactFrom) parts.push(`batches before ${formatCount(exactFrom)} in blocks of 64`);
  return parts.join('; ');
}

function csv(load: RoutingWindow): string {
  const span = load.last - load.first + 1;
  const batchOf = (column: number) => load.first + Math.floor((span * column) / load.columns);
  const header = ['expert', ...Array.from({ length: load.columns }, (_, column) => `from batch ${batchOf(column)}`)];
  const rows = Array.from({ length: load.rows }, (_, row) => [
    row * load.expertsPerRow,
    ...load.load.subarray(row * load.columns, (row + 1) * load.columns),
  ]);
  return toCsv(header, rows);
}

function paint(
  canvas: HTMLCanvasElement,
  load: RoutingWindow,
  { width, height }: { width: number; height: number },
  selected: { batch: number | null; expert: number | null },
): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  if (load.columns === 0) return;
  const cells = document.createElement('canvas');
  cells.width = load.columns;
  cells.height = load.rows;
  const colours = { none: parseColour(tokenValue('--bg-0')), unknown: parseColour(tokenValue('--line-strong')) };
  cells
    .getContext('2d')!
    .putImageData(new ImageData(loadPixels(load, colourTable(map), colours), load.columns, load.rows), 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(cells, 0, 0, canvas.width, canvas.height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.strokeStyle = tokenValue('--text-1');
  const { batch, expert } = selected;
  if (batch !== null && batch >= load.first && batch <= load.last) {
    const span = load.last - load.first + 1;
    const left = ((batch - load.first) / span) * width;
    context.strokeRect(Math.round(left) + 0.5, 0.5, Math.max(1, Math.round(width / span) - 1), height - 1);
  }
  if (expert !== null && expert < load.experts) {
    const each = height / load.rows;
    const top = Math.floor(expert / load.expertsPerRow) * each;
    context.strokeRect(0.5, Math.round(top) + 0.5, width - 1, Math.max(1, Math.round(each) - 1));
  }
}
