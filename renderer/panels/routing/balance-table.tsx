/** How evenly the selected batch spreads, beside uniform routing of as many tokens. */
import type { BatchRouting } from '../../../electron/contract/routing';
import { ExportButtons } from '../../charts/export-buttons';
import { toCsv } from '../../format/csv';
import { formatCount, formatShare, formatValue } from '../../format/numbers';
import { Block } from '../../frame/panel-frame';
import { balanceRows } from './balance-rows';

const formats = {
  count: (value: number) => (Number.isInteger(value) ? formatCount(value) : formatValue(value, 4)),
  ratio: (value: number) => formatValue(value, 3),
  share: (value: number) => formatShare(value),
};

export function BalanceTable({ routing }: { routing: BatchRouting }) {
  const rows = balanceRows(routing);
  const csv = () =>
    toCsv(
      ['measure', 'this batch', 'uniform routing', 'meaning'],
      rows.map(({ name, value, uniform, meaning }) => [name, value, uniform, meaning]),
    );
  return (
    <Block
      title="Balance"
      note={`uniform routing: mean of ${formatCount(routing.draws)} seeded draws`}
      actions={<ExportButtons name="balance" csv={csv} />}
    >
      <table className="routing-table" data-testid="routing-balance">
        <thead>
          <tr>
            <th>Measure</th>
            <th className="right">This batch</th>
            <th className="right">Uniform</th>
            <th>Meaning</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, value, uniform, meaning, format }) => (
            <tr key={name}>
              <td>{name}</td>
              <td className="number right">{formats[format](value)}</td>
              <td className="number right muted">{uniform === null ? '' : formats[format](uniform)}</td>
              <td className="muted" title={meaning}>
                {meaning}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Block>
  );
}
