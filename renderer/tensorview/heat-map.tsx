/** A tensor plane as a heat map: wheel zooms to the pointer, drag pans, click picks, arrow keys move the picked element. */
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import { useView } from '../stores/view';
import { tokenValue } from '../theme/palette';
import { exactFloat32, shortValue } from './exact';
import type { Look } from './frame';
import { type CellReading, HeatMapScene, markWords, type SampledTiles } from './scene';
import type { TileSource } from './source';
import { ViewButtons, type ViewChange } from './view-buttons';
import { elementAt, oneToOne, pan, reveal, type View, zoomAt } from './viewport';
import './heat-map.css';

export interface HeatMapProps {
  /** accessible name: which tensor, which plane */
  label: string;
  source: TileSource | null;
  look: Look;
  /** null = the whole plane */
  view: View | null;
  onView: (view: View | null) => void;
  picked: { row: number; column: number } | null;
  onPick: (row: number, column: number) => void;
  /** a better look at the whole plane has arrived */
  onSample: (sampled: SampledTiles) => void;
  onError: (error: unknown) => void;
  rowName: string;
  columnName: string;
  unit?: string;
}

const ZOOM_STEP = 1.25;
const viewKeys: Record<string, ViewChange> = { '+': 'in', '=': 'in', '-': 'out', 0: 'fit', 1: 'one-to-one' };

export function HeatMap(props: HeatMapProps) {
  const { source, look, view, picked, label } = props;
  const theme = useView((state) => state.theme);
  const area = useRef<HTMLDivElement>(null);
  const scene = useRef<HeatMapScene | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [pending, setPending] = useState(0);
  const [slow, setSlow] = useState(false);
  const [hover, setHover] = useState<HoverState | null>(null);
  const pointer = useRef<{ x: number; y: number } | null>(null);

  useEffect(() => {
    const element = area.current;
    if (!element) return;
    const canvas = (name: string) =>
      element.parentElement?.querySelector(`[data-layer="${name}"]`) as HTMLCanvasElement;
    const canvases = {
      cells: canvas('cells'),
      overlay: canvas('overlay'),
      rowRuler: canvas('rows'),
      columnRuler: canvas('columns'),
    };
    const made = new HeatMapScene(canvases, {
      sample: (sampled) => latest.current.onSample(sampled),
      failed: (error) => latest.current.onError(error),
      pending: setPending,
    });
    scene.current = made;
    setSlow(made.painterKind === 'canvas2d');
    const resize = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: element.clientHeight }, window.devicePixelRatio || 1),
    );
    resize.observe(element);
    const wheel = (event: WheelEvent) => onWheel(event, made, latest.current);
    element.addEventListener('wheel', wheel, { passive: false });
    return () => {
      element.removeEventListener('wheel', wheel);
      resize.disconnect();
      made.dispose();
      scene.current = null;
    };
  }, []);
  useEffect(() => scene.current?.setSource(source), [source]);
  useEffect(() => scene.current?.setView(view), [view]);
  useEffect(() => scene.current?.setLook(look), [look]);
  useEffect(() => {
    scene.current?.setPicked(picked);
    const current = scene.current?.currentView();
    const { source: shown, onView } = latest.current;
    if (!picked || !current || !shown || !scene.current) return;
    // Picked from elsewhere (a table, a link) it may be out of sight.
    const revealed = reveal(current, picked.row, picked.column, shown, scene.current.currentSize());
    if (revealed.row !== current.row || revealed.column !== current.column) onView(revealed);
  }, [picked]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the tokens change their values with the theme
  useEffect(() => {
    scene.current?.setInk(
      {
        text: tokenValue('--text-1'),
        faint: tokenValue('--text-3'),
        line: tokenValue('--text-2'),
        picked: tokenValue('--accent'),
        background: tokenValue('--bg-1'),
        font: `10px ${tokenValue('--font-number')}`,
      },
      (value) => shortValue(value, 3),
    );
  }, [theme]);

  const drag = useDrag(scene, latest);
  const under = (at: { x: number; y: number } | null) => {
    const current = scene.current?.currentView();
    return at && current && source ? elementAt(current, at.x, at.y, source) : null;
  };
  const readHover = () => {
    const element = under(pointer.current);
    scene.current?.setHovered(element);
    setHover(element && { ...element, cell: scene.current?.read(element.row, element.column) ?? null });
  };
  // What lies under a resting pointer changes with the view and with the tiles that arrive.
  // biome-ignore lint/correctness/useExhaustiveDependencies: reads the scene as it is after these have changed
  useEffect(() => {
    if (pointer.current) readHover();
  }, [view, source, pending]);
  return (
    <div className="heat-map" data-state={pending > 0 ? 'loading' : 'idle'}>
      <canvas data-layer="columns" className="heat-map-columns" />
      <canvas data-layer="rows" className="heat-map-rows" />
      <div
        ref={area}
        className="heat-map-area"
        role="application"
        aria-label={label}
        aria-roledescription="heat map"
        aria-keyshortcuts="ArrowUp ArrowDown ArrowLeft ArrowRight + - 0 1"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application takes the keys named above
        tabIndex={0}
        onKeyDown={(event) => onKey(event, scene.current, latest.current)}
        onPointerDown={drag.down}
        onPointerMove={(event) => {
          pointer.current = { x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY };
          if (!drag.move(event)) readHover();
        }}
        onPointerUp={(event) => {
          if (drag.up(event)) return;
          const element = under({ x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY });
          if (element) props.onPick(element.row, element.column);
        }}
        onPointerLeave={() => {
          pointer.current = null;
          readHover();
        }}
      >
        <canvas data-layer="cells" className="heat-map-cells" />
        <canvas data-layer="overlay" className="heat-map-cells" />
      </div>
      <div className="heat-map-foot">
        <output className="heat-map-readout number" aria-label="Value under the pointer" aria-live="off">
          {hover ? <Reading {...props} {...hover} /> : <Idle {...props} slow={slow} pending={pending} />}
        </output>
        {source && <ViewButtons view={view} onView={(change) => changeView(change, scene.current, props)} />}
      </div>
    </div>
  );
}

function Reading({ row, column, cell, rowName, columnName, unit }: HeatMapProps & HoverState) {
  return (
    <>
      <span>
        {rowName} {row} · {columnName} {column}
      </span>
      {cell && <span>{readingText(cell)}</span>}
      {unit && <span className="unit">{unit}</span>}
      {cell && cell.marks !== 0 && <span className="heat-map-marks">{markWords(cell.marks)}</span>}
    </>
  );
}

interface HoverState {
  row: number;
  column: number;
  cell: CellReading | null;
}

/** The value itself, or what is known of the elements that were reduced to one cell. */
export function readingText(cell: CellReading): string {
  if (cell.rows * cell.columns === 1) return exactFloat32(cell.mean);
  const extremes = `min ${shortValue(cell.min)}  mean ${shortValue(cell.mean)}  max ${shortValue(cell.max)}`;
  return `${cell.rows}×${cell.columns}: ${extremes}`;
}

function Idle({ source, slow, pending }: { source: TileSource | null; slow: boolean; pending: number }) {
  if (!source) return null;
  return (
    <>
      <span>
        {source.rows} × {source.columns} elements
      </span>
      {slow && <span className="heat-map-slow">no WebGL2 in this window: drawn on a 2D canvas, slower</span>}
      {pending > 0 && <span className="volatile">{pending} tiles on their way</span>}
    </>
  );
}

function onWheel(event: WheelEvent, scene: HeatMapScene, { source, onView }: HeatMapProps) {
  const view = scene.currentView();
  if (!view || !source) return;
  event.preventDefault();
  const size = scene.currentSize();
  // A line or page of a wheel is not a pixel of a touch pad.
  const unit = event.deltaMode === 1 ? 32 : event.deltaMode === 2 ? 400 : 1;
  if (event.shiftKey) return onView(pan(view, (event.deltaX || event.deltaY) * unit, 0, source, size));
  const factor = Math.exp(-event.deltaY * unit * 0.0022);
  const axis = event.altKey ? 'rows' : event.ctrlKey ? 'columns' : 'both';
  onView(zoomAt(view, factor, { x: event.offsetX, y: event.offsetY }, source, size, axis));
}

function changeView(
  change: ViewChange,
  scene: HeatMapScene | null,
  { source, onView }: Pick<HeatMapProps, 'source' | 'onView'>,
) {
  const view = scene?.currentView();
  if (!scene || !view || !source) return;
  const size = scene.currentSize();
  const centre = { x: size.width / 2, y: size.height / 2 };
  if (change === 'fit') onView(null);
  else if (change === 'one-to-one') onView(oneToOne(view, source, size));
  else onView(zoomAt(view, change === 'in' ? ZOOM_STEP : 1 / ZOOM_STEP, centre, source, size));
}

function onKey(event: KeyboardEvent, scene: HeatMapScene | null, { source, picked, onView, onPick }: HeatMapProps) {
  const view = scene?.currentView();
  if (!scene || !view || !source) return;
  const size = scene.currentSize();
  const steps: Record<string, [number, number]> = {
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
  };
  const step = steps[event.key];
  const change = viewKeys[event.key];
  if (step && picked && !event.shiftKey) {
    const row = Math.min(source.rows - 1, Math.max(0, picked.row + step[0]));
    const column = Math.min(source.columns - 1, Math.max(0, picked.column + step[1]));
    onPick(row, column);
    onView(reveal(view, row, column, source, size));
  } else if (step) onView(pan(view, step[1] * 64, step[0] * 64, source, size));
  else if (change) changeView(change, scene, { source, onView });
  else if (event.key === 'Enter' && !picked) onPick(Math.floor(view.row), Math.floor(view.column));
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Dragging pans; less than four pixels is a click. `move` and `up` return true while it is a drag. */
function useDrag(scene: { current: HeatMapScene | null }, latest: { current: HeatMapProps }) {
  const start = useRef<{ x: number; y: number; view: View; moved: boolean } | null>(null);
  return {
    down(event: PointerEvent<HTMLDivElement>) {
      const view = scene.current?.currentView();
      if (event.button !== 0 || !view) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      start.current = { x: event.clientX, y: event.clientY, view, moved: false };
    },
    move(event: PointerEvent<HTMLDivElement>): boolean {
      const { source, onView } = latest.current;
      const from = start.current;
      if (!from || !source || !scene.current) return false;
      const dx = from.x - event.clientX;
      const dy = from.y - event.clientY;
      if (!from.moved && Math.hypot(dx, dy) < 4) return false;
      from.moved = true;
      onView(pan(from.view, dx, dy, source, scene.current.currentSize()));
      return true;
    },
    up(event: PointerEvent<HTMLDivElement>): boolean {
      const moved = start.current?.moved ?? false;
      start.current = null;
      if (event.currentTarget.hasPointerCapture(event.pointerId))
        event.currentTarget.releasePointerCapture(event.pointerId);
      return moved;
    },
  };
}
