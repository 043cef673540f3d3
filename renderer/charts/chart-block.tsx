/** Charts over recharts: no animation, at most 2,000 points, units on the axes, data as CSV and picture as PNG. */
import { memo, type ReactNode, useRef } from 'react';
import {
  Bar,
  CartesianGrid,
  Line,
  BarChart as RechartsBars,
  LineChart as RechartsLines,
  ReferenceLine,
  Tooltip,
  XAxis,
  YAxis,
} from 'recharts';
import { toCsv } from '../format/csv';
import { formatValue } from '../format/numbers';
import { Block } from '../frame/panel-frame';
import { ExportButtons } from './export-buttons';
import { useSize } from './size';
import './charts.css';

export interface Series {
  /** field of the points */
  key: string;
  name: string;
  /** CSS colour, may be var(--token) */
  color: string;
  dash?: string;
}

export type Point = Record<string, number | string | null>;

export interface ChartProps {
  title: string;
  note?: string;
  /** file name of exports, without ending */
  name: string;
  /** at most 2,000; more are refused, thin them out before (min and max per pixel) */
  points: readonly Point[];
  /** field of the points on the horizontal axis */
  x: string;
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
  height?: number;
  logY?: boolean;
  stacked?: boolean;
  /** y counts things: no ticks between whole numbers */
  wholeY?: boolean;
  /** whole numbers on the x axis lie where they are, not one step apart (lines only) */
  numericX?: boolean;
  formatX?: (value: number | string) => string;
  formatY?: (value: number) => string;
  /** vertical line at this x with a label */
  marker?: { x: number | string; label: string } | null;
  /** further buttons beside the exports */
  actions?: ReactNode;
  /** shows measured times or rates: hidden in screenshot mode */
  volatile?: boolean;
  /** why there are no points */
  empty: string;
}

const maxPoints = 2000;
const axis = { stroke: 'var(--line-strong)', tick: { fill: 'var(--text-3)', fontSize: 10 }, tickSize: 3 };

/** A chart of lines; gaps where a value is null. */
export const LineChart = memo(function LineChart(props: ChartProps) {
  return <Chart {...props} kind="line" />;
});

/** A chart of bars, side by side or stacked. */
export const BarChart = memo(function BarChart(props: ChartProps) {
  return <Chart {...props} kind="bar" />;
});

function Chart(props: ChartProps & { kind: 'line' | 'bar' }) {
  const { title, note, name, points, x, series, height = 150, empty, kind } = props;
  const drawing = useRef<HTMLDivElement>(null);
  const [box, size] = useSize<HTMLDivElement>();
  if (points.length > maxPoints) throw new Error(`chart ${name}: ${points.length} points, at most ${maxPoints}`);
  const csv = () =>
    toCsv(
      [props.xLabel, ...series.map((line) => `${line.name} (${props.yLabel})`)],
      points.map((point) => [point[x], ...series.map((line) => point[line.key])]),
    );
  const has = points.length > 0;
  return (
    <Block
      title={title}
      note={note}
      className="chart-block"
      actions={
        <>
          {props.actions}
          {has && <ExportButtons name={name} csv={csv} picture={() => drawing.current} />}
        </>
      }
    >
      {has && <Legend series={series} />}
      <div ref={drawing} className="chart" role="img" aria-label={`${title}: ${props.yLabel} by ${props.xLabel}`}>
        <div ref={box} style={{ height }} className={props.volatile ? 'volatile' : undefined}>
          {!has && <div className="chart-empty">{empty}</div>}
          {has && size.width > 40 && <Drawing {...props} kind={kind} width={size.width} height={height} />}
        </div>
      </div>
    </Block>
  );
}

function Drawing(props: ChartProps & { kind: 'line' | 'bar'; width: number; height: number }) {
  const { points, x, series, width, height, kind, logY, formatX, formatY = (value) => formatValue(value, 3) } = props;
  const shared = { width, height, data: points as Point[], margin: { top: 6, right: 14, bottom: 12, left: 0 } };
  const children = (
    <>
      <CartesianGrid stroke="var(--line)" vertical={false} />
      <XAxis
        {...axis}
        dataKey={x}
        height={16}
        minTickGap={16}
        {...(props.numericX && {
          type: 'number' as const,
          domain: ['dataMin', 'dataMax'] as const,
          allowDecimals: false,
        })}
        tickFormatter={formatX as ((value: unknown) => string) | undefined}
        label={{ value: props.xLabel, position: 'insideBottom', offset: -10, fill: 'var(--text-3)', fontSize: 10 }}
      />
      <YAxis
        {...axis}
        width={68}
        scale={logY ? 'log' : 'auto'}
        domain={logY ? ['auto', 'auto'] : [0, 'auto']}
        allowDataOverflow={!!logY}
        allowDecimals={!props.wholeY}
        tickFormatter={formatY}
        label={{ value: props.yLabel, angle: -90, position: 'insideLeft', fill: 'var(--text-3)', fontSize: 10, dy: 20 }}
      />
      <Tooltip
        isAnimationActive={false}
        cursor={{ stroke: 'var(--line-strong)', fill: 'var(--bg-3)', fillOpacity: 0.5 }}
        contentStyle={{
          background: 'var(--bg-2)',
          border: '1px solid var(--line-strong)',
          fontSize: 11,
          padding: '4px 8px',
        }}
        itemStyle={{ color: 'var(--text-1)', padding: 0, fontFamily: 'var(--font-number)' }}
        labelFormatter={(value) => `${props.xLabel} ${formatX ? formatX(value as number | string) : value}`}
        formatter={(value) => (typeof value === 'number' ? formatY(value) : String(value))}
      />
      {props.marker && (
        <ReferenceLine
          x={props.marker.x}
          stroke="var(--accent)"
          strokeDasharray="4 2"
          label={{ value: props.marker.label, fill: 'var(--accent)', fontSize: 10, position: 'insideTopLeft' }}
        />
      )}
    </>
  );
  if (kind === 'line') {
    return (
      <RechartsLines {...shared}>
        {children}
        {series.map(({ key, name, color, dash }) => (
          <Line
            key={key}
            dataKey={key}
            name={name}
            stroke={color}
            strokeDasharray={dash}
            strokeWidth={1.25}
            dot={points.length < 3}
            connectNulls={false}
            isAnimationActive={false}
          />
        ))}
      </RechartsLines>
    );
  }
  return (
    <RechartsBars {...shared} barCategoryGap={points.length > 64 ? 0 : '12%'} barGap={0}>
      {children}
      {series.map(({ key, name, color }) => (
        <Bar
          key={key}
          dataKey={key}
          name={name}
          fill={color}
          stackId={props.stacked ? 'all' : undefined}
          isAnimationActive={false}
        />
      ))}
    </RechartsBars>
  );
}

function Legend({ series }: { series: readonly Series[] }) {
  if (series.length < 2) return null;
  return (
    <div className="chart-legend" aria-hidden="true">
      {series.map(({ key, name, color, dash }) => (
        <span key={key}>
          <i style={dash ? { borderTop: `2px dashed ${color}`, height: 0 } : { background: color }} />
          {name}
        </span>
      ))}
    </div>
  );
}
