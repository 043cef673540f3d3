/** Rows per expert and what its tiles hold beyond them. */
import { useMemo } from 'react';
import type { BatchDetail } from '../../../electron/contract/batch';
import { BarChart, type Series } from '../../charts/chart-block';
import { formatCount, formatShare } from '../../format/numbers';
import { useSelection } from '../../stores/selection';
import { kernelColor } from '../../theme/palette';
import { paddingSummary } from './padding';

export function ExpertChart({ detail }: { detail: BatchDetail }) {
  const { rowsPerExpert, paddingRows, decision, routingReason } = detail;
  const expert = useSelection((state) => state.expert);
  const marker = useMemo(() => (expert === null ? null : { x: expert, label: `expert ${expert}` }), [expert]);
  const points = useMemo(
    () =>
      routingReason
        ? []
        : Array.from(rowsPerExpert, (rows, id) => ({ expert: id, rows, padding: paddingRows[id] ?? 0 })),
    [rowsPerExpert, paddingRows, routingReason],
  );
  const series = useMemo<Series[]>(
    () => [
      { key: 'rows', name: 'rows', color: kernelColor(decision.kernel) },
      ...(decision.tileM > 0
        ? [{ key: 'padding', name: `tile padding (tile M ${decision.tileM})`, color: 'var(--line-strong)' }]
        : []),
    ],
    [decision.kernel, decision.tileM],
  );
  const { rows, padding, waste } = paddingSummary(rowsPerExpert, paddingRows);
  return (
    <BarChart
      title="Rows per expert"
      note={
        routingReason
          ? 'not known'
          : decision.tileM > 0
            ? `${formatCount(rows)} rows, ${formatCount(padding)} of padding: ${formatShare(waste)} of the tile rows are wasted`
            : `${formatCount(rows)} rows; this kernel has no row tiles, so nothing is padded`
      }
      name="rows-per-expert"
      points={points}
      x="expert"
      xLabel="expert"
      yLabel="rows"
      series={series}
      marker={marker}
      stacked
      wholeY
      height={132}
      formatY={formatCount}
      empty={routingReason ?? 'The batch has no routing.'}
    />
  );
}
