/** Statistics of every expert's plane, sortable; a click shows that expert. */
import type { TensorStatsRow } from '../../../electron/contract/tensor';
import type { Column } from '../../tables/columns';
import { DataTable } from '../../tables/data-table';
import { shortValue } from '../../tensorview/exact';

const value = (id: 'min' | 'max' | 'mean' | 'rms'): Column<TensorStatsRow> => ({
  id,
  header: id,
  width: '88px',
  kind: 'number',
  value: (row) => row[id],
  render: (row) => shortValue(row[id], 4),
});
/** Counts as a share of the plane's elements. */
const share = (id: 'zero' | 'subnormal' | 'saturated' | 'nan', header: string): Column<TensorStatsRow> => ({
  id,
  header,
  unit: '%',
  width: '88px',
  kind: 'number',
  value: (row) => (row.count > 0 ? (row[id] / row.count) * 100 : null),
  render: (row) => (row[id] === 0 ? <span className="muted">0</span> : ((row[id] / row.count) * 100).toFixed(3)),
});

export const expertColumns: readonly Column<TensorStatsRow>[] = [
  { id: 'plane', header: 'expert', width: '62px', kind: 'number', value: (row) => row.plane },
  share('zero', 'zero'),
  share('subnormal', 'subnormal'),
  share('saturated', 'saturated'),
  share('nan', 'NaN'),
  value('min'),
  value('max'),
  value('mean'),
  value('rms'),
  { id: 'count', header: 'elements', width: '84px', kind: 'number', value: (row) => row.count },
];

export interface ExpertTableProps {
  rows: readonly TensorStatsRow[];
  plane: number;
  onSelect: (plane: number) => void;
  loading: boolean;
}

export function ExpertTable({ rows, plane, onSelect, loading }: ExpertTableProps) {
  return (
    <DataTable
      label="Statistics per expert"
      testId="scales-experts"
      columns={expertColumns}
      rows={rows}
      rowId={(row) => row.plane}
      selected={plane}
      onSelect={(row) => onSelect(row.plane)}
      revealSelected
      empty={loading ? 'Counting…' : 'This tensor has no statistics.'}
    />
  );
}
