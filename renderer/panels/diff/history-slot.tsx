/** One slot of the history: who wrote it, its slices with what they add to y, and its K blocks. */
import { type ReactNode, useMemo, useState } from 'react';
import type { SideHistory } from '../../../electron/contract/element';
import { DataTable } from '../../tables/data-table';
import { shortValue } from '../../tensorview/exact';
import { blockColumns, blockRows, elementOfBlock, sliceRows } from './history-rows';
import { showElementOfI } from './state';

export interface SlotViewProps {
  a: SideHistory | null;
  b: SideHistory | null;
  index: number;
  names: readonly [string, string];
  /** FC1 behind the element that was chosen in this slot */
  fc1: ReactNode;
}

export function SlotView({ a, b, index, names, fc1 }: SlotViewProps) {
  const left = a?.slots[index] ?? null;
  const right = b?.slots[index] ?? null;
  const slot = left ?? right;
  const [open, setOpen] = useState(fc1 !== null || index === 0);
  const rows = useMemo(() => (open ? blockRows(left?.dot ?? null, right?.dot ?? null) : []), [open, left, right]);
  const columns = useMemo(() => blockColumns(names[0], names[1]), [names[0], names[1]]);
  if (!slot) return null;
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)} className="history-slot">
      <summary>
        slot {slot.slot}, expert {slot.expert}, router weight{' '}
        <span className="number">{shortValue(slot.weight, 6)}</span>, FC2{' '}
        <span className="number">{left ? shortValue(left.fc2, 6) : '-'}</span> |{' '}
        <span className="number">{right ? shortValue(right.fc2, 6) : '-'}</span>
      </summary>
      {open && (
        <div className="history-body">
          <div className="history-slices">
            {a && left && <Slices name={names[0]} side={a} slot={left} />}
            {b && right && <Slices name={names[1]} side={b} slot={right} />}
          </div>
          <p className="muted history-text">
            FC2 along I in blocks of 16, in the order of addition; codes and scale bytes as stored. A click on a block
            shows FC1 behind its element.
          </p>
          <div className="history-blocks" style={{ height: Math.min(180, 24 + rows.length * 22) }}>
            <DataTable
              label={`Blocks of slot ${slot.slot}`}
              columns={columns}
              rows={rows}
              rowId={(row) => row.block}
              onSelect={({ block }) => showElementOfI(slot.slot, elementOfBlock(left, right, block))}
              empty="No blocks."
            />
          </div>
          {fc1}
        </div>
      )}
    </details>
  );
}

type Slot = SideHistory['slots'][number];

function Slices({ name, side, slot }: { name: string; side: SideHistory; slot: Slot }) {
  const written = slot.tile
    ? `${side.kernel}, tile (${slot.tile.m}, ${slot.tile.n}), row ${slot.rowInExpert} of expert ${slot.expert}`
    : `${side.kernel}, row ${slot.rowInExpert} of expert ${slot.expert}`;
  return (
    <div className="history-side">
      <p className="history-text">
        <b>{name}</b> <span className="muted">written by {written}; multiplier</span>{' '}
        <span className="number">{shortValue(slot.multiplier, 6)}</span>
      </p>
      <table className="history-table">
        <thead>
          <tr>
            <th scope="col">slice</th>
            <th scope="col">blocks</th>
            <th scope="col">accumulator</th>
            <th scope="col">× multiplier</th>
            <th scope="col">adds to y</th>
            <th scope="col">y after</th>
          </tr>
        </thead>
        <tbody>
          {sliceRows(side, slot).map((row) => (
            <tr key={row.slice}>
              <th scope="row">{row.slice}</th>
              <td className="number">{row.blocks}</td>
              <td className="number">{shortValue(row.acc, 6)}</td>
              <td className="number">{shortValue(row.scaled, 6)}</td>
              <td className="number">{row.added === null ? '-' : shortValue(row.added, 6)}</td>
              <td className="number">{row.sum === null ? '-' : shortValue(row.sum, 6)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
