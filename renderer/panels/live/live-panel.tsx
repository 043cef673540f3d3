/** What the run does, now: which path, how many tokens, how long, and the newest batches. */
import { memo, useMemo, useState } from 'react';
import type { BatchRow } from '../../../electron/contract/batch';
import { kernels } from '../../../electron/contract/layer';
import { BarChart, LineChart, type Series } from '../../charts/chart-block';
import { ExportButtons } from '../../charts/export-buttons';
import { formatCount } from '../../format/numbers';
import { EmptyState, PanelFrame } from '../../frame/panel-frame';
import { CommandButton } from '../../frame/toolbar/command-button';
import { selectHasLayer, useConnection } from '../../stores/connection';
import { useRun } from '../../stores/run';
import { selectBatch, useSelection } from '../../stores/selection';
import { useThrottled } from '../../stores/use-throttled';
import { useView } from '../../stores/view';
import { tableCsv } from '../../tables/columns';
import { DataTable } from '../../tables/data-table';
import { kernelColor, kernelNames, pathColor } from '../../theme/palette';
import { batchColumns } from './columns';
import { FilterBar } from './filter-bar';
import { filterRows } from './filter-rows';
import { KernelShare } from './kernel-share';
import { type Percentile, percentiles, timesOverRun } from './percentiles';
import './live-panel.css';

/** Rows arrive up to 20 times a second; nobody reads faster than this. */
const tableEveryMs = 200;
const chartEveryMs = 600;

export function LivePanel() {
  const recent = useThrottled(
    useRun((state) => state.recent),
    tableEveryMs,
  );
  const total = useRun((state) => state.total);
  const hasLayer = useConnection(selectHasLayer);
  const filters = useView((state) => state.filters);
  const rows = useMemo(() => filterRows(recent, filters), [recent, filters]);
  return (
    <PanelFrame
      id="live"
      title="Live"
      scroll={false}
      controls={<FilterBar />}
      actions={
        <>
          <span className="muted live-count">
            <span className="number">{formatCount(rows.length)}</span> of the newest{' '}
            <span className="number">{formatCount(recent.length)}</span>
          </span>
          <ExportButtons name="batches" csv={() => tableCsv(batchColumns, rows)} />
        </>
      }
    >
      {total === 0 ? (
        <EmptyState
          title="No batches yet"
          reason={hasLayer ? 'The layer is ready. Run the workload, or one batch at a time.' : 'No layer is loaded.'}
        >
          {hasLayer && (
            <>
              <CommandButton id="run.start" label="Run the workload">
                Run the workload
              </CommandButton>
              <CommandButton id="run.step" label="Run one batch">
                Run one batch
              </CommandButton>
            </>
          )}
        </EmptyState>
      ) : (
        <div className="live">
          <div className="live-charts">
            <KernelShare />
            <TokensHistogram />
            <TimesChart />
          </div>
          <Batches rows={rows} />
        </div>
      )}
    </PanelFrame>
  );
}

function Batches({ rows }: { rows: BatchRow[] }) {
  const selected = useSelection((state) => state.batch);
  return (
    <div className="live-table">
      <DataTable
        label="Newest batches"
        testId="batch-table"
        columns={batchColumns}
        rows={rows}
        rowId={(row) => row.index}
        selected={selected}
        onSelect={(row) => void selectBatch(row.index)}
        onOpen={(row) => {
          void selectBatch(row.index);
          useView.setState({ panel: 'batch' });
        }}
        revealSelected
        empty="No batch passes the filters."
      />
    </div>
  );
}

const histogramSeries: Series[] = [
  { key: 'b12x', name: 'b12x', color: pathColor('b12x') },
  { key: 'cutlass', name: 'CUTLASS', color: pathColor('cutlass') },
];

function TokensHistogram() {
  const histogram = useRun((state) => state.stats?.tokensHistogram);
  const points = useMemo(
    () =>
      (histogram ?? []).map(({ upTo, b12x, cutlass }) => ({
        bin: upTo <= 2 ? String(upTo) : `${upTo / 2 + 1}-${upTo}`,
        b12x,
        cutlass,
      })),
    [histogram],
  );
  return (
    <BarChart
      title="Tokens per batch"
      name="tokens-histogram"
      points={points}
      x="bin"
      xLabel="tokens"
      yLabel="batches"
      series={histogramSeries}
      stacked
      wholeY
      height={132}
      formatY={formatCount}
      empty="No batches counted yet."
    />
  );
}

function TimesChart() {
  const recent = useRun((state) => state.recent);
  return <TimesOf rows={useThrottled(recent, chartEveryMs)} />;
}

/** Drawn again only when its rows change: measuring the lines is most of what a live window costs. */
const TimesOf = memo(function TimesOf({ rows }: { rows: BatchRow[] }) {
  const [share, setShare] = useState<Percentile>(50);
  const { points, window } = useMemo(() => timesOverRun(rows, share), [rows, share]);
  const series = useMemo<Series[]>(
    () =>
      kernels
        .filter((kernel) => points.some((point) => point[kernel] !== null))
        .map((kernel) => ({ key: kernel, name: kernelNames[kernel], color: kernelColor(kernel) })),
    [points],
  );
  return (
    <LineChart
      title="Time per batch"
      note={window > 0 ? `windows of ${window} batches` : undefined}
      actions={percentiles.map((value) => (
        <button
          key={value}
          type="button"
          className="button quiet small"
          aria-pressed={value === share}
          onClick={() => setShare(value)}
        >
          p{value}
        </button>
      ))}
      name={`times-p${share}`}
      points={points}
      x="index"
      numericX
      xLabel="batch"
      yLabel="us"
      series={series}
      volatile
      height={132}
      empty="No times yet."
    />
  );
});
