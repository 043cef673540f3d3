/** The figures of the balance table. */
import type { BatchRouting } from '../../../electron/contract/routing';

export interface BalanceRow {
  name: string;
  value: number;
  /** the same under uniform routing; null where it is the same by definition */
  uniform: number | null;
  meaning: string;
  format: 'count' | 'ratio' | 'share';
}

export function balanceRows(routing: BatchRouting): BalanceRow[] {
  const { balance, uniform, routedPairs, experts, tileM, topK, tokens } = routing;
  const row = (name: string, format: BalanceRow['format'], value: number, even: number | null, meaning: string) => ({
    name,
    format,
    value,
    uniform: even,
    meaning,
  });
  const padding = (padded: number) => (padded > 0 ? (padded - routedPairs) / padded : 0);
  const rows = [
    row('routed pairs', 'count', routedPairs, null, `${tokens} tokens x top-k ${topK}`),
    row('unique experts', 'count', balance.unique, routing.expectedUnique, `of ${experts}; E(1-(1-k/E)^T) beside it`),
    row(
      'rows a reached expert',
      'ratio',
      ratio(routedPairs, balance.unique),
      ratio(routedPairs, uniform.unique),
      'mean',
    ),
    row('imbalance', 'ratio', balance.imbalance, uniform.imbalance, 'most rows / mean rows; 1 = even'),
    row('variation', 'ratio', balance.variation, uniform.variation, 'standard deviation / mean of rows'),
    row('Gini', 'ratio', balance.gini, uniform.gini, '0 = even, 1 - 1/E = one expert'),
  ];
  if (tileM === 0) return rows;
  return [
    ...rows,
    row('rows of tiles', 'count', balance.paddedRows, uniform.paddedRows, `each expert rounded up to tile M ${tileM}`),
    row('padding rows', 'count', balance.paddedRows - routedPairs, uniform.paddedRows - routedPairs, 'do no work'),
    row('padding share', 'share', padding(balance.paddedRows), padding(uniform.paddedRows), 'of the tile rows'),
  ];
}

function ratio(a: number, b: number): number {
  return b > 0 ? a / b : 0;
}
