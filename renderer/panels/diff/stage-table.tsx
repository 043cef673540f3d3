/** Every stage of the pair: how far apart, how much is within tolerance, and where it began. */
import type { Stage, StageComparison } from '../../../electron/contract/batch';
import { formatCosine, formatCount, formatError, formatShare } from '../../format/numbers';
import type { Column } from '../../tables/columns';
import { DataTable } from '../../tables/data-table';
import { shortValue } from '../../tensorview/exact';
import { stageTitles } from './state';

export interface StageRow {
  stage: Stage;
  rows: number;
  columns: number;
  comparison: StageComparison | null;
  /** why there is no comparison */
  reason: string;
  firstDiverging: boolean;
  /** what noise explains, where the batch was repeated */
  floor: number | null;
}

/** Codes and scale bytes that differ: "12 of 4096 codes, 3 SF". */
function codesText(codes: NonNullable<StageComparison['codes']>): string {
  return `${formatCount(codes.differingCodes)}, ${formatCount(codes.differingScales)} SF`;
}

type NumberKey = Exclude<keyof StageComparison, 'ulpHistogram' | 'experts' | 'codes'>;

const figure = (
  id: NumberKey,
  header: string,
  width: string,
  format: (value: number) => string,
  unit?: string,
): Column<StageRow> => ({
  id,
  header,
  width,
  kind: 'number',
  ...(unit && { unit }),
  value: (row) => row.comparison?.[id] ?? null,
  render: (row) => {
    const value = row.comparison?.[id];
    return value === undefined ? '' : format(value);
  },
});

/** A figure that there is not; nothing where the reason for the whole row stands. */
function None({ row }: { row: StageRow }) {
  return row.comparison ? <span className="muted">-</span> : null;
}

/** 0.99999 must not read as 100 %. */
export function formatWithin(share: number): string {
  if (share === 1 || share === 0) return formatShare(share, 0);
  const text = formatShare(share, 3);
  return text === '100.000 %' ? '>99.999 %' : text === '0.000 %' ? '<0.001 %' : text;
}

export const stageColumns: readonly Column<StageRow>[] = [
  {
    id: 'stage',
    header: 'stage',
    width: '178px',
    kind: 'text',
    value: (row) => stageTitles[row.stage],
    render: (row) => (
      <>
        {stageTitles[row.stage]}
        {row.firstDiverging && (
          <span
            className="diverging"
            title="The first stage that is not wholly within tolerance and, once the batch was repeated, above its noise floor"
          >
            diverges first
          </span>
        )}
        {!row.comparison && (
          <span className="muted stage-reason" title={row.reason}>
            {row.reason}
          </span>
        )}
      </>
    ),
  },
  figure('maxAbs', 'max |a-b|', '70px', (value) => shortValue(value)),
  figure('nrmse', 'NRMSE', '72px', formatError),
  {
    id: 'floor',
    header: 'noise floor',
    width: '76px',
    kind: 'number',
    value: (row) => row.floor,
    render: (row) => (row.floor === null ? <None row={row} /> : formatError(row.floor)),
  },
  figure('cosine', 'cosine', '73px', formatCosine),
  figure('pcc', 'PCC', '73px', formatCosine),
  figure('withinTolerance', 'within', '73px', formatWithin),
  figure('bestScale', 'best scale', '72px', (value) => shortValue(value, 6)),
  {
    id: 'codes',
    header: 'codes differ',
    width: '132px',
    kind: 'number',
    value: (row) => row.comparison?.codes?.differingCodes ?? null,
    render: (row) => (row.comparison?.codes ? codesText(row.comparison.codes) : <None row={row} />),
  },
  {
    id: 'nan',
    header: 'NaNs',
    width: '56px',
    kind: 'number',
    value: (row) => (row.comparison ? row.comparison.nanA + row.comparison.nanB : null),
    render: (row) => (row.comparison ? `${row.comparison.nanA}, ${row.comparison.nanB}` : ''),
  },
  {
    id: 'shape',
    header: 'rows × columns',
    width: '106px',
    kind: 'number',
    value: (row) => (row.comparison ? `${row.rows}×${row.columns}` : null),
    render: (row) => (row.comparison ? `${row.rows}×${row.columns}` : ''),
  },
];

export interface StageTableProps {
  rows: readonly StageRow[];
  selected: Stage;
  onSelect: (stage: Stage) => void;
}

export function StageTable({ rows, selected, onSelect }: StageTableProps) {
  return (
    <DataTable
      label="Stages"
      testId="diff-stages"
      columns={stageColumns}
      rows={rows}
      rowId={(row) => row.stage}
      selected={selected}
      onSelect={(row) => onSelect(row.stage)}
      empty="The comparison has no stages."
    />
  );
}
