/** The elements that are furthest apart; a click leads to batch, token and expert, and to the place in the map. */
import type { Diff } from '../../../electron/contract/batch';
import type { Column } from '../../tables/columns';
import { DataTable } from '../../tables/data-table';
import { shortValue } from '../../tensorview/exact';
import { type StageDiff, sideTitles } from './state';

export type Worst = StageDiff['worst'][number];

const whole = (id: 'token' | 'slot' | 'expert' | 'row' | 'column', width: string): Column<Worst> => ({
  id,
  header: id,
  width,
  kind: 'number',
  value: (row) => (row[id] < 0 ? null : row[id]),
});

/** Columns for a pair; `a - b` is what the engine sorted by. */
export function worstColumns(diff: Pick<Diff, 'a' | 'b'>): readonly Column<Worst>[] {
  const side = (id: 'a' | 'b'): Column<Worst> => ({
    id,
    header: sideTitles[diff[id]],
    width: '72px',
    kind: 'number',
    value: (row) => row[id],
    render: (row) => shortValue(row[id]),
  });
  return [
    whole('token', '46px'),
    whole('slot', '38px'),
    whole('expert', '52px'),
    side('a'),
    side('b'),
    whole('row', '46px'),
    whole('column', '58px'),
  ];
}

export interface WorstTableProps {
  diff: Pick<Diff, 'a' | 'b'>;
  rows: readonly Worst[];
  selected: { row: number; column: number } | null;
  onSelect: (worst: Worst) => void;
  empty: string;
}

const idOf = ({ row, column }: { row: number; column: number }) => `${row},${column}`;

export function WorstTable({ diff, rows, selected, onSelect, empty }: WorstTableProps) {
  return (
    <DataTable
      label="Worst elements"
      testId="diff-worst"
      columns={worstColumns(diff)}
      rows={rows}
      rowId={idOf}
      selected={selected ? idOf(selected) : null}
      onSelect={onSelect}
      empty={empty}
    />
  );
}
