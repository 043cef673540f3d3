/** FC1 behind one element of the activation: its K blocks along H, back to the token's quantized x. */
import { useMemo } from 'react';
import type { DotHistory, Fc1History } from '../../../electron/contract/element';
import { DataTable } from '../../tables/data-table';
import { shortValue } from '../../tensorview/exact';
import { blockColumns, blockRows } from './history-rows';

export interface Fc1ViewProps {
  a: Fc1History | null;
  b: Fc1History | null;
  names: readonly [string, string];
}

export function Fc1View({ a, b, names }: Fc1ViewProps) {
  const any = a ?? b;
  if (!any) return null;
  const value = (side: Fc1History | null, key: 'upValue' | 'gateValue' | 'act') => {
    const found = side?.[key];
    return found === null || found === undefined ? '-' : shortValue(found, 6);
  };
  return (
    <div className="history-fc1" data-testid="diff-history-fc1">
      <p className="history-text">
        <b>FC1, element {any.element} of I</b>: up <Pair a={value(a, 'upValue')} b={value(b, 'upValue')} />
        {any.gate && (
          <>
            , gate <Pair a={value(a, 'gateValue')} b={value(b, 'gateValue')} />
          </>
        )}
        , activation <Pair a={value(a, 'act')} b={value(b, 'act')} />
      </p>
      <Dots title={`up row ${any.element}`} a={a?.up ?? null} b={b?.up ?? null} names={names} />
      {any.gate && <Dots title={`gate row ${any.element}`} a={a?.gate ?? null} b={b?.gate ?? null} names={names} />}
    </div>
  );
}

function Pair({ a, b }: { a: string; b: string }) {
  return (
    <span className="number">
      {a} | {b}
    </span>
  );
}

interface DotsProps {
  title: string;
  a: DotHistory | null;
  b: DotHistory | null;
  names: readonly [string, string];
}

function Dots({ title, a, b, names }: DotsProps) {
  const rows = useMemo(() => blockRows(a, b), [a, b]);
  const columns = useMemo(() => blockColumns(names[0], names[1]), [names[0], names[1]]);
  return (
    <>
      <p className="muted history-text">{title}, in blocks of 16 of x</p>
      <div className="history-blocks" style={{ height: Math.min(180, 24 + rows.length * 22) }}>
        <DataTable
          label={`Blocks of ${title}`}
          columns={columns}
          rows={rows}
          rowId={(row) => row.block}
          empty="No blocks."
        />
      </div>
    </>
  );
}
