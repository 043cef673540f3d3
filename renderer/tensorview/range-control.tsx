/** Range of the colours: histogram of the plane, black and white point to drag or to type, automatic range, logarithm. */
import { type KeyboardEvent, type PointerEvent, useEffect, useMemo, useRef, useState } from 'react';
import { colourTable, mapTitles } from './colormap';
import { shortValue } from './exact';
import type { Look } from './frame';
import { type LookSettings, mapsFor, percentChoices } from './look';
import {
  type Axis,
  axisPlace,
  axisValue,
  binValues,
  channels,
  channelTitles,
  place,
  type Range,
  rangeAxis,
  type Sample,
} from './range';
import './range-control.css';

export interface RangeControlProps {
  settings: LookSettings;
  onChange: (change: Partial<LookSettings>) => void;
  /** the look in force, for the range that was chosen automatically */
  look: Look;
  sample: Sample;
  /** what a cell of several elements can be coloured by */
  channelChoice?: boolean;
}

const BINS = 96;
const HEIGHT = 30;

export function RangeControl({ settings, onChange, look, sample, channelChoice = true }: RangeControlProps) {
  const { mapping, log } = settings;
  const axis = useMemo(() => rangeAxis(sample, look.range, mapping, log), [sample, look.range, mapping, log]);
  return (
    <fieldset className="range-control plain-fieldset" aria-label="Colour range">
      <RangeTrack {...{ settings, onChange, look, sample, axis }} />
      <div className="range-row">
        <PointField name="Black point" end="lo" {...{ look, onChange, settings }} />
        <button
          type="button"
          className="button small"
          aria-pressed={settings.range === null}
          title="Range from the values of the plane"
          onClick={() => onChange({ range: null })}
        >
          Auto
        </button>
        <select
          className="select small number"
          aria-label="Cells left out at each end"
          value={settings.percent}
          onChange={(event) => onChange({ percent: Number(event.target.value), range: null })}
        >
          {percentChoices.map((percent) => (
            <option key={percent} value={percent}>
              {percent === 0 ? 'all' : `-${percent} %`}
            </option>
          ))}
        </select>
        <button
          type="button"
          className="button small"
          aria-pressed={log}
          disabled={mapping === 'ratio'}
          title={mapping === 'ratio' ? 'A ratio is always shown by its logarithm' : 'Logarithmic colours'}
          onClick={() => onChange({ log: !log, range: null })}
        >
          Log
        </button>
        <select
          className="select small"
          aria-label="Colour map"
          value={settings.map}
          onChange={(event) => onChange({ map: event.target.value as LookSettings['map'] })}
        >
          {mapsFor(mapping).map((map) => (
            <option key={map} value={map}>
              {mapTitles[map]}
            </option>
          ))}
        </select>
        {channelChoice && (
          <select
            className="select small"
            aria-label="Value of a cell of several elements"
            title="What a cell shows when it stands for several elements"
            value={settings.channel}
            onChange={(event) => onChange({ channel: event.target.value as LookSettings['channel'], range: null })}
          >
            {channels.map((channel) => (
              <option key={channel} value={channel}>
                {channelTitles[channel]}
              </option>
            ))}
          </select>
        )}
        <PointField name="White point" end="hi" {...{ look, onChange, settings }} />
      </div>
    </fieldset>
  );
}

type PartProps = Pick<RangeControlProps, 'settings' | 'onChange' | 'look'>;

/** Moves one end; the two keep their order, and symmetric mappings keep their symmetry. */
export function movedRange(range: Range, end: 'lo' | 'hi', value: number, mapping: LookSettings['mapping']): Range {
  if (mapping === 'ratio') {
    const hi = Math.max(end === 'hi' ? value : 1 / Math.max(value, 1e-30), 1 + 1e-6);
    return { lo: 1 / hi, hi };
  }
  if (mapping === 'diverging') return { lo: range.lo, hi: Math.max(Math.abs(value), 1e-30) };
  if (end === 'lo') return { lo: Math.min(value, range.hi), hi: range.hi };
  return { lo: range.lo, hi: Math.max(value, range.lo) };
}

/** The end as it is shown: the low end of a diverging range is the mirror of the high one. */
function endValue(look: Look, end: 'lo' | 'hi'): number {
  return look.mapping === 'diverging' && end === 'lo' ? -look.range.hi : look.range[end];
}

function PointField({ name, end, look, onChange, settings }: PartProps & { name: string; end: 'lo' | 'hi' }) {
  const shown = shortValue(endValue(look, end));
  const [text, setText] = useState(shown);
  useEffect(() => setText(shown), [shown]);
  const commit = () => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value)) setText(shown);
    else if (text !== shown) onChange({ range: movedRange(look.range, end, value, settings.mapping) });
  };
  return (
    <input
      className="input number small range-point"
      aria-label={name}
      value={text}
      onChange={(event) => setText(event.target.value)}
      onBlur={commit}
      onKeyDown={(event) => event.key === 'Enter' && commit()}
    />
  );
}

function RangeTrack({ settings, onChange, look, sample, axis }: PartProps & { sample: Sample; axis: Axis }) {
  const track = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const dragging = useRef<'lo' | 'hi' | null>(null);
  // While a point is dragged the axis stays, otherwise it would run away under the pointer.
  const held = useRef(axis);
  if (dragging.current === null) held.current = axis;
  const shownAxis = held.current;
  const counts = useMemo(() => binValues(sample.shown, shownAxis, BINS), [sample, shownAxis]);
  useEffect(() => {
    if (canvas.current) drawTrack(canvas.current, counts, shownAxis, look, colourTable(settings.map));
  }, [counts, shownAxis, look, settings.map]);
  const at = (end: 'lo' | 'hi') => Math.min(1, Math.max(0, axisPlace(endValue(look, end), shownAxis)));
  const valueAt = (event: PointerEvent) => {
    const box = track.current?.getBoundingClientRect();
    if (!box) return 0;
    return axisValue(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)), shownAxis);
  };
  const move = (end: 'lo' | 'hi', value: number) =>
    onChange({ range: movedRange(look.range, end, value, settings.mapping) });
  const key = (event: KeyboardEvent, end: 'lo' | 'hi') => {
    const step = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    move(end, axisValue(Math.min(1, Math.max(0, at(end) + step)), shownAxis));
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the two sliders in it take the focus and the keys
    <div
      ref={track}
      className="range-track"
      onPointerDown={(event) => {
        const box = event.currentTarget.getBoundingClientRect();
        const x = (event.clientX - box.left) / box.width;
        dragging.current = Math.abs(x - at('lo')) < Math.abs(x - at('hi')) ? 'lo' : 'hi';
        event.currentTarget.setPointerCapture(event.pointerId);
        move(dragging.current, valueAt(event));
      }}
      onPointerMove={(event) => dragging.current && move(dragging.current, valueAt(event))}
      onPointerUp={() => {
        dragging.current = null;
      }}
      onDoubleClick={() => onChange({ range: null })}
    >
      <canvas ref={canvas} className="range-histogram" width={BINS * 3} height={HEIGHT} />
      {(['lo', 'hi'] as const).map((end) => (
        <div
          key={end}
          className={`range-handle ${end}`}
          style={{ left: `${at(end) * 100}%` }}
          role="slider"
          tabIndex={0}
          aria-label={end === 'lo' ? 'Black point' : 'White point'}
          aria-valuemin={shownAxis.from}
          aria-valuemax={shownAxis.to}
          aria-valuenow={endValue(look, end)}
          onKeyDown={(event) => key(event, end)}
        />
      ))}
    </div>
  );
}

/** Bars by the fourth root of the count (single cells stay visible), over the colours of their values. */
function drawTrack(canvas: HTMLCanvasElement, counts: Float64Array, axis: Axis, look: Look, table: Uint8Array) {
  const context = canvas.getContext('2d');
  if (!context) return;
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const most = Math.max(1, ...counts);
  const bar = width / counts.length;
  for (let bin = 0; bin < counts.length; bin++) {
    const value = axisValue((bin + 0.5) / counts.length, axis);
    const index = Math.round(place(value, look.range, look.mapping, look.log) * 255) * 4;
    context.fillStyle = `rgb(${table[index]},${table[index + 1]},${table[index + 2]})`;
    context.fillRect(bin * bar, height - 6, bar + 0.5, 6);
    const tall = ((counts[bin] ?? 0) / most) ** 0.25 * (height - 9);
    context.fillRect(bin * bar, height - 8 - tall, bar - 0.6, tall);
  }
}
