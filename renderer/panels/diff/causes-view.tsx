/** The causes of a difference with their shares of the squared error, in place of the map. */
import { useMemo } from 'react';
import type { DiffExplanation } from '../../../electron/contract/explanation';
import { ExportButtons } from '../../charts/export-buttons';
import { formatError } from '../../format/numbers';
import { CopyButton } from '../../frame/copy-button';
import { Block } from '../../frame/panel-frame';
import { type Column, tableCsv } from '../../tables/columns';
import { DataTable } from '../../tables/data-table';
import { type CauseRow, causeRows, intervalText, shareDomain, shareText } from './causes-rows';
import { DiagnosisDetails, Verdicts } from './diagnosis';
import { useExplanation } from './explanation';
import { ShareBar } from './share-bar';
import { sideTitles } from './state';
import './causes.css';

/** What CSV holds: shares and both ends of the interval as fractions of 1. */
const csvColumns: readonly Column<CauseRow>[] = [
  { id: 'id', header: 'cause', width: '1fr', kind: 'text', value: ({ id }) => id },
  { id: 'kind', header: 'kind', width: '1fr', kind: 'text', value: ({ kind }) => kind },
  { id: 'share', header: 'share', width: '1fr', kind: 'number', value: ({ share }) => share },
  { id: 'low', header: '95 % low', width: '1fr', kind: 'number', value: ({ interval }) => interval?.[0] ?? null },
  { id: 'high', header: '95 % high', width: '1fr', kind: 'number', value: ({ interval }) => interval?.[1] ?? null },
  { id: 'alone', header: 'NRMSE alone', width: '1fr', kind: 'number', value: ({ nrmseAlone }) => nrmseAlone },
];

export const causesCsv = (found: DiffExplanation): string => tableCsv(csvColumns, causeRows(found));

function columnsOf(domain: { low: number; high: number }): readonly Column<CauseRow>[] {
  return [
    {
      id: 'cause',
      header: 'cause',
      width: '5fr',
      kind: 'text',
      value: ({ name }) => name,
      render: ({ name, kind }) => (
        <span title={name} className={kind === 'remainder' ? 'muted' : undefined}>
          {name}
          {kind === 'fault' && <span className="diverging">not documented</span>}
        </span>
      ),
    },
    {
      id: 'bar',
      header: 'of the error',
      width: '2fr',
      kind: 'text',
      value: ({ share }) => share,
      render: (row) => <ShareBar row={row} domain={domain} />,
    },
    {
      id: 'share',
      header: 'share',
      width: '72px',
      kind: 'number',
      value: ({ share }) => share,
      render: ({ share }) => shareText(share),
    },
    {
      id: 'interval',
      header: '95 % interval',
      unit: '%',
      width: '116px',
      kind: 'number',
      value: ({ interval }) => interval?.[0] ?? null,
      render: ({ interval }) => (interval ? intervalText(interval) : <span className="muted">-</span>),
    },
    {
      id: 'alone',
      header: 'NRMSE alone',
      width: '86px',
      kind: 'number',
      value: ({ nrmseAlone }) => nrmseAlone,
      render: ({ nrmseAlone }) => (nrmseAlone === null ? <span className="muted">-</span> : formatError(nrmseAlone)),
    },
  ];
}

/** of the table's head with its line and the two lines around the table, and of a row */
const headHeight = 25;
const rowHeight = 22;

export function CausesView({ found, name }: { found: DiffExplanation; name: string }) {
  const selected = useExplanation((state) => state.selected);
  const rows = useMemo(() => causeRows(found), [found]);
  const columns = useMemo(() => columnsOf(shareDomain(rows)), [rows]);
  const shown = rows.find(({ id }) => id === selected) ?? rows[0];
  const { total, tokens, layer } = found;
  return (
    <Block
      title={`Why ${sideTitles[found.a]} and ${sideTitles[found.b]} differ`}
      note={`NRMSE ${formatError(total.nrmse)}`}
      className="causes-block"
      actions={
        <>
          <ExportButtons name={`${name}-causes`} csv={() => causesCsv(found)} />
          <CopyButton what="the explanation as JSON" text={JSON.stringify(found)} />
          <button type="button" className="button small" onClick={() => useExplanation.setState({ open: false })}>
            Back to the map
          </button>
        </>
      }
    >
      <div className="causes-view" data-testid="diff-causes">
        <Verdicts found={found} />
        <div className="causes-table" style={{ height: headHeight + rows.length * rowHeight }}>
          <DataTable
            label="Causes"
            columns={columns}
            rows={rows}
            rowId={({ id }) => id}
            selected={shown?.id ?? null}
            onSelect={({ id }) => useExplanation.setState({ selected: id })}
            empty="The documented pipelines of the two sides do not differ."
          />
        </div>
        {shown && (
          <p className="cause-text selectable">
            <strong>{shown.name}.</strong> {shown.explanation}
            {shown.share < 0 && shown.kind !== 'remainder' && (
              <> Below 0: undoing it alone makes the error larger, because it cancels another cause.</>
            )}{' '}
            <span className="muted">{shown.reference}</span>
          </p>
        )}
        <p className="muted cause-text">
          A share is what the squared error of the output ({formatError(total.energy)} over {tokens}{' '}
          {tokens === 1 ? 'token' : 'tokens'}) loses when that cause alone is undone and everything is computed again;
          shares, interaction and rest are 100 %.
          {tokens > 1 && ' Intervals: tokens resampled 1000 times.'} Weights: {layer}.
        </p>
        <DiagnosisDetails found={found} />
      </div>
    </Block>
  );
}
