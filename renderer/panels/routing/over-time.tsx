/** Unique experts, imbalance and tile padding over the same batches as the load strip. */
import { useMemo } from 'react';
import type { RoutingWindow } from '../../../electron/contract/routing';
import { LineChart, type Series } from '../../charts/chart-block';
import { formatCount, formatShare, formatValue } from '../../format/numbers';

/** Lines of more points than this cost more than they show. */
const mostPoints = 500;

const unique: Series[] = [
  { key: 'unique', name: 'reached', color: 'var(--accent)' },
  { key: 'expected', name: 'uniform routing', color: 'var(--text-3)', dash: '4 2' },
];
const imbalance: Series[] = [{ key: 'imbalance', name: 'most rows / mean rows', color: 'var(--accent)' }];
const padding: Series[] = [{ key: 'padding', name: 'share of tile rows', color: 'var(--accent)' }];

export function OverTime({ window: load }: { window: RoutingWindow | null }) {
  const points = useMemo(() => (load ? pointsOf(load) : []), [load]);
  const shared = {
    points,
    x: 'batch',
    numericX: true,
    xLabel: 'batch',
    height: 118,
    empty: load ? 'The routing of these batches is not known.' : 'No batch is in sight.',
  };
  return (
    <div className="routing-charts">
      <LineChart
        {...shared}
        title="Unique experts"
        note="a batch, against E(1-(1-k/E)^T)"
        name="unique-experts"
        yLabel="experts"
        series={unique}
        formatY={formatCount}
      />
      <LineChart
        {...shared}
        title="Imbalance"
        note="most rows / mean rows; 1 = even"
        name="imbalance"
        yLabel="ratio"
        series={imbalance}
        formatY={(value) => formatValue(value, 3)}
      />
      <LineChart
        {...shared}
        title="Tile padding"
        note="0 where the kernel has no row tiles"
        name="tile-padding"
        yLabel="share"
        series={padding}
        formatY={(value) => formatShare(value, 0)}
      />
    </div>
  );
}

function pointsOf({ first, last, columns, ...facts }: RoutingWindow) {
  const span = last - first + 1;
  const step = Math.max(1, Math.ceil(columns / mostPoints));
  const points: Record<string, number | null>[] = [];
  for (let column = 0; column < columns; column += step) {
    const known = (values: Float32Array) => (Number.isNaN(values[column]!) ? null : values[column]!);
    points.push({
      batch: first + Math.floor((span * column) / columns),
      unique: known(facts.unique),
      expected: known(facts.expectedUnique),
      imbalance: known(facts.imbalance),
      padding: known(facts.paddingShare),
    });
  }
  return points.some(({ unique }) => unique !== null) ? points : [];
}
