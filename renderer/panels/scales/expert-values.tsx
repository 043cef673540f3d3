/** A tensor with one value per expert, as bars. */
import { useMemo } from 'react';
import type { TensorDescriptor, TensorStatsRow } from '../../../electron/contract/tensor';
import { BarChart } from '../../charts/chart-block';
import { shortValue } from '../../tensorview/exact';

export function ExpertValues({ tensor, rows }: { tensor: TensorDescriptor; rows: readonly TensorStatsRow[] }) {
  const points = useMemo(() => rows.map(({ plane, mean }) => ({ expert: plane, value: mean })), [rows]);
  return (
    <BarChart
      title={tensor.name}
      note="one value per expert"
      name={`${tensor.name}-by-expert`}
      points={points}
      x="expert"
      xLabel="expert"
      yLabel="value"
      series={[{ key: 'value', name: tensor.name, color: 'var(--accent)' }]}
      height={200}
      formatY={(value) => shortValue(value, 4)}
      empty="Reading…"
    />
  );
}
