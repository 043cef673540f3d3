/** The timeline along the bottom: every batch, at any zoom; click selects, drag pans, wheel zooms. */
import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';
import type { Timeline as Buckets } from '../../../electron/contract/batch';
import { kernels } from '../../../electron/contract/layer';
import { ExportButtons } from '../../charts/export-buttons';
import { useSize } from '../../charts/size';
import { invoke } from '../../commands/registry';
import { formatCount, formatMicroseconds } from '../../format/numbers';
import { useConnection } from '../../stores/connection';
import { framePainter } from '../../stores/idle';
import { useRun } from '../../stores/run';
import { selectBatch, useSelection } from '../../stores/selection';
import { setTimeline, useView } from '../../stores/view';
import { kernelNames } from '../../theme/palette';
import { useBuckets } from './buckets';
import { bucketsCsv } from './buckets-csv';
import { batchToX, panned, type Range, rangeNow, tokensTop, xToBatch, zoomed } from './geometry';
import { gutter, lanesOf, paintTimeline, readStyle, type Scene } from './paint';
import { ThresholdLine } from './threshold-line';
import './timeline.css';

export function Timeline() {
  const total = useRun((state) => state.total);
  const epoch = useRun((state) => state.epoch);
  const view = useView((state) => state.timeline);
  const height = useView((state) => state.timelineHeight);
  const [box, size] = useSize<HTMLDivElement>();
  const range = useMemo(() => rangeNow(view, total), [view, total]);
  const plot = Math.max(1, size.width - gutter);
  const buckets = useBuckets(range, total, plot, epoch);
  const threshold = useConnection((state) => state.engine?.threshold.tokens ?? 0);
  const hasLayer = useConnection((state) => !!state.engine?.layer);
  const max = useMemo(
    () => tokensTop(threshold * 2, ...(buckets ? [maxOf(buckets.tokensMax)] : [])),
    [buckets, threshold],
  );
  const lanes = useMemo(() => lanesOf(size.width, size.height, max), [size, max]);
  return (
    <section className="timeline" aria-label="Timeline" data-testid="timeline" style={{ height }}>
      <Grip />
      <header className="timeline-head">
        <h3>Timeline</h3>
        {total > 0 && <Shown range={range} total={total} />}
        <KernelLegend />
        <span className="timeline-buttons">
          {buckets && <ExportButtons name="timeline" csv={() => bucketsCsv(buckets)} picture={() => box.current} />}
          <button
            type="button"
            className="button quiet small icon"
            aria-label="Zoom out"
            onClick={() => invoke('timeline.zoomOut')}
          >
            -
          </button>
          <button
            type="button"
            className="button quiet small icon"
            aria-label="Zoom in"
            onClick={() => invoke('timeline.zoomIn')}
          >
            +
          </button>
          <button type="button" className="button quiet small" onClick={() => invoke('timeline.fit')}>
            All
          </button>
          <button
            type="button"
            className="button small"
            aria-pressed={view.follow}
            onClick={() => invoke('timeline.follow')}
            title="Keep the newest batch in sight (F)"
          >
            Follow
          </button>
        </span>
      </header>
      <div className="timeline-plot" ref={box}>
        {size.width > gutter && <Plot lanes={lanes} range={range} buckets={buckets} total={total} plot={plot} />}
        {size.width > gutter && hasLayer && <ThresholdLine scale={lanes.tokens} left={gutter} />}
        {total === 0 && (
          <div className="timeline-empty">{hasLayer ? 'No batch has run yet.' : 'Nothing is loaded yet.'}</div>
        )}
      </div>
    </section>
  );
}

/** Which batches are in sight, of how many. */
function Shown({ range, total }: { range: Range; total: number }) {
  return (
    <span className="muted">
      batches <span className="number">{formatCount(Math.max(0, Math.round(range.first)))}</span> to{' '}
      <span className="number">{formatCount(Math.round(Math.min(range.last, total - 1)))}</span> of{' '}
      <span className="number">{formatCount(total)}</span>
    </span>
  );
}

interface PlotProps {
  lanes: ReturnType<typeof lanesOf>;
  range: Range;
  buckets: Buckets | null;
  total: number;
  plot: number;
}

function Plot({ lanes, range, buckets, total, plot }: PlotProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const scene = useRef<Scene | null>(null);
  const theme = useView((state) => state.theme);
  const selected = useSelection((state) => state.batch);
  const position = useConnection((state) => (state.engine?.source === 'replay' ? state.engine.position : null));
  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes what is read
  const style = useMemo(readStyle, [theme]);
  const hideTimes = useView((state) => state.screenshotMode);
  const [hover, setHover] = useState<number | null>(null);
  const drag = useRef<{ x: number; range: Range; moved: boolean } | null>(null);

  const painter = useMemo(() => framePainter(() => draw(canvas.current, scene.current, style)), [style]);
  useEffect(() => () => painter.cancel(), [painter]);
  useEffect(() => {
    scene.current = { lanes, range, timeline: buckets, total, selected, position, hideTimes };
    painter.request();
  }, [lanes, range, buckets, total, selected, position, hideTimes, painter]);
  useEffect(() => {
    // the first picture may be drawn before the font is there
    document.fonts.ready.then(() => painter.request());
  }, [painter]);

  useEffect(() => {
    const element = canvas.current!;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const { timeline } = useView.getState();
      const all = useRun.getState().total;
      const now = rangeNow(timeline, all);
      const span = now.last - now.first + 1;
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (sideways) {
        const by = ((event.deltaX || event.deltaY) / plot) * span;
        setTimeline({ ...panned(now, by, all), follow: false });
      } else {
        const centre = timeline.follow ? now.last + 1 : now.first + ((event.offsetX - gutter) / plot) * span;
        setTimeline(zoomed(now, Math.exp(event.deltaY * 0.002), centre, all));
      }
    };
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [plot]);

  const batchAt = (event: PointerEvent<HTMLElement>) => xToBatch(event.nativeEvent.offsetX - gutter, range, plot);
  const onPointerMove = (event: PointerEvent<HTMLCanvasElement>) => {
    const started = drag.current;
    if (!started) return setHover(event.nativeEvent.offsetX < gutter ? null : batchAt(event));
    const by = event.clientX - started.x;
    if (Math.abs(by) > 3) started.moved = true;
    if (started.moved) {
      const span = started.range.last - started.range.first + 1;
      setTimeline({ ...panned(started.range, (-by / plot) * span, total), follow: false });
    }
  };
  const onPointerUp = (event: PointerEvent<HTMLCanvasElement>) => {
    const started = drag.current;
    drag.current = null;
    const batch = batchAt(event);
    if (started && !started.moved && batch >= 0 && batch < total) void selectBatch(batch);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const command = { ArrowLeft: 'batch.previous', ArrowRight: 'batch.next' }[event.key];
    if (!command) return;
    event.preventDefault();
    invoke(command);
  };
  return (
    <>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="img"
        aria-label={`${total} batches by tokens, kernel and time; arrow keys select`}
        style={{ width: lanes.width, height: lanes.height }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          drag.current = { x: event.clientX, range, moved: false };
        }}
        onPointerMove={onPointerMove}
        onPointerUp={onPointerUp}
        onPointerLeave={() => setHover(null)}
        onDoubleClick={() => invoke('timeline.fit')}
        onKeyDown={onKeyDown}
      />
      {hover !== null && buckets && <Hover batch={hover} buckets={buckets} range={range} plot={plot} />}
    </>
  );
}

function draw(canvas: HTMLCanvasElement | null, scene: Scene | null, style: ReturnType<typeof readStyle>): void {
  const context = canvas?.getContext('2d');
  if (!canvas || !scene || !context) return;
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = scene.lanes;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  paintTimeline(context, scene, style);
}

/** What lies under the pointer: one batch, or all batches of a pixel column. */
function Hover({ batch, buckets, range, plot }: { batch: number; buckets: Buckets; range: Range; plot: number }) {
  const perColumn = (buckets.last - buckets.first + 1) / buckets.columns;
  const column = Math.floor((batch - buckets.first) / perColumn);
  if (column < 0 || column >= buckets.columns) return null;
  const counts = kernels.map((kernel, at) => [kernel, buckets.counts[column * kernels.length + at]!] as const);
  const some = counts.filter(([, count]) => count > 0);
  if (some.length === 0) return null;
  const from = Math.floor(buckets.first + column * perColumn);
  const to = Math.max(from, Math.ceil(buckets.first + (column + 1) * perColumn) - 1);
  const least = buckets.tokensMin[column]!;
  const most = buckets.tokensMax[column]!;
  const nrmse = buckets.nrmseMax[column]!;
  const longest = buckets.microsecondsMax[column]!;
  const x = gutter + batchToX(batch, range, plot);
  return (
    <div className="timeline-hover number" style={x > plot - 200 ? { right: plot + gutter - x + 8 } : { left: x + 12 }}>
      <div>batch {from === to ? formatCount(from) : `${formatCount(from)} to ${formatCount(to)}`}</div>
      <div>
        {least === most ? formatCount(least) : `${formatCount(least)} to ${formatCount(most)}`} tokens,{' '}
        {from === to || Number.isNaN(longest) ? '' : 'at most '}
        {formatMicroseconds(longest)}
      </div>
      {some.map(([kernel, count]) => (
        <div key={kernel}>
          <i className="kernel-swatch" style={{ background: `var(--kernel-${kernel})` }} /> {kernelNames[kernel]}
          {from === to ? '' : ` ${formatCount(count)}`}
        </div>
      ))}
      {Number.isFinite(nrmse) && <div>NRMSE {nrmse.toPrecision(3)}</div>}
    </div>
  );
}

function KernelLegend() {
  return (
    <span className="timeline-legend">
      {kernels.slice(0, 5).map((kernel) => (
        <span key={kernel} className="kernel-label">
          <i className="kernel-swatch" style={{ background: `var(--kernel-${kernel})` }} />
          {kernelNames[kernel]}
        </span>
      ))}
    </span>
  );
}

/** Drag up or down to give the timeline more or less room. */
function Grip() {
  const from = useRef<{ y: number; height: number } | null>(null);
  return (
    <div
      className="timeline-grip"
      aria-hidden="true"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        from.current = { y: event.clientY, height: useView.getState().timelineHeight };
      }}
      onPointerMove={(event) => {
        const start = from.current;
        if (start)
          useView.setState({ timelineHeight: Math.min(420, Math.max(110, start.height + start.y - event.clientY)) });
      }}
      onPointerUp={() => {
        from.current = null;
      }}
    />
  );
}

function maxOf(values: Float32Array): number {
  let most = 0;
  for (const value of values) if (value > most) most = value;
  return most;
}
