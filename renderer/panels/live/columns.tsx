/** Columns of the table of batches. */
import { type BatchRow, measuredMicroseconds } from '../../../electron/contract/batch';
import { formatCosine, formatCount, formatError, microseconds } from '../../format/numbers';
import { KernelLabel } from '../../frame/kernel-label';
import type { Column } from '../../tables/columns';

function Time({ value }: { value: number | null }) {
  const { text, unit } = microseconds(value);
  return (
    <span className="volatile">
      {text}
      <span className="unit time-unit">{unit}</span>
    </span>
  );
}

export const batchColumns: readonly Column<BatchRow>[] = [
  {
    id: 'index',
    header: 'Batch',
    width: '72px',
    kind: 'number',
    value: (row) => row.index,
    render: (row) => formatCount(row.index),
  },
  { id: 'phase', header: 'Phase', width: '62px', kind: 'text', value: (row) => row.phase },
  {
    id: 'tokens',
    header: 'Tokens',
    width: '68px',
    kind: 'number',
    value: (row) => row.tokens,
    render: (row) => formatCount(row.tokens),
  },
  {
    id: 'pairs',
    header: 'Routed pairs',
    width: '92px',
    kind: 'number',
    value: (row) => row.routedPairs,
    render: (row) => formatCount(row.routedPairs),
  },
  { id: 'experts', header: 'Experts', width: '66px', kind: 'number', value: (row) => row.uniqueExperts },
  {
    id: 'kernel',
    header: 'Path, kernel',
    width: '148px',
    kind: 'text',
    value: (row) => row.kernel,
    render: (row) => <KernelLabel kernel={row.kernel} />,
  },
  {
    id: 'time',
    header: 'Time',
    width: '92px',
    kind: 'number',
    value: measuredMicroseconds,
    render: (row) => <Time value={measuredMicroseconds(row)} />,
  },
  {
    id: 'other',
    header: 'Other path',
    width: '104px',
    kind: 'number',
    value: (row) => row.otherMicroseconds,
    render: (row) => <Time value={row.otherMicroseconds} />,
  },
  {
    id: 'nrmse',
    header: 'NRMSE',
    width: '76px',
    kind: 'number',
    value: (row) => row.nrmse,
    render: (row) => formatError(row.nrmse),
  },
  {
    id: 'cosine',
    header: 'Cosine',
    width: '84px',
    kind: 'number',
    value: (row) => row.cosine,
    render: (row) => formatCosine(row.cosine),
  },
  {
    id: 'error',
    header: 'Error',
    width: '1fr',
    kind: 'text',
    value: (row) => row.error?.message ?? null,
    render: (row) => (row.error ? <span className="row-error">{row.error.message}</span> : ''),
  },
];
