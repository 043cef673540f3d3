/** Rows of the history: K blocks of both sides side by side, slices with their additions, and the whole as JSON. */
import type { DotHistory, ElementHistory, SideHistory, SlotHistory } from '../../../electron/contract/element';
import { formatHex } from '../../format/numbers';
import type { Column } from '../../tables/columns';
import { shortValue } from '../../tensorview/exact';

export interface BlockRow {
  block: number;
  a: BlockSide | null;
  b: BlockSide | null;
}
export interface BlockSide {
  codes: string;
  sf: number;
  weightCodes: string;
  weightSf: number;
  dot: number;
  term: number;
  sum: number;
}

const hexDigits = (codes: Uint8Array, block: number) =>
  Array.from(codes.subarray(block * 16, block * 16 + 16), (code) => code.toString(16).toUpperCase()).join('');

function blockSide(dot: DotHistory | null, block: number): BlockSide | null {
  if (!dot) return null;
  return {
    codes: hexDigits(dot.activationCodes, block),
    sf: dot.activationSf[block] ?? 0,
    weightCodes: hexDigits(dot.weightCodes, block),
    weightSf: dot.weightSf[block] ?? 0,
    dot: dot.dot[block] ?? Number.NaN,
    term: dot.term[block] ?? Number.NaN,
    sum: dot.sum[block] ?? Number.NaN,
  };
}

/** One row a K block; a side that has no history is null in every row. */
export function blockRows(a: DotHistory | null, b: DotHistory | null): BlockRow[] {
  const blocks = Math.max(a?.dot.length ?? 0, b?.dot.length ?? 0);
  return Array.from({ length: blocks }, (_, block) => ({ block, a: blockSide(a, block), b: blockSide(b, block) }));
}

const sideColumns = (id: 'a' | 'b', name: string): Column<BlockRow>[] => {
  const number = (key: 'dot' | 'term' | 'sum', header: string, width: string): Column<BlockRow> => ({
    id: `${id}-${key}`,
    header: `${name} ${header}`,
    width,
    kind: 'number',
    value: (row) => row[id]?.[key] ?? null,
    render: (row) => (row[id] ? shortValue(row[id][key], 6) : '-'),
  });
  const byte = (key: 'sf' | 'weightSf', header: string): Column<BlockRow> => ({
    id: `${id}-${key}`,
    header: `${name} ${header}`,
    width: '104px',
    kind: 'number',
    value: (row) => row[id]?.[key] ?? null,
    render: (row) => (row[id] ? formatHex(row[id][key], 8) : '-'),
  });
  return [
    {
      id: `${id}-codes`,
      header: `${name} codes`,
      width: '142px',
      kind: 'number',
      value: (row) => row[id]?.codes ?? null,
    },
    byte('sf', 'SF'),
    byte('weightSf', 'W SF'),
    number('dot', 'dot', '88px'),
    number('term', 'term', '96px'),
    number('sum', 'sum', '96px'),
  ];
};

/** The two sides run over the same packed FP4 bytes, so the weight's codes stand once. */
export function blockColumns(a: string, b: string): readonly Column<BlockRow>[] {
  return [
    { id: 'block', header: 'K block', width: '58px', kind: 'number', value: (row) => row.block },
    {
      id: 'weight-codes',
      header: 'W codes',
      width: '142px',
      kind: 'number',
      value: (row) => row.a?.weightCodes ?? row.b?.weightCodes ?? null,
    },
    ...sideColumns('a', a),
    ...sideColumns('b', b),
  ];
}

export interface SliceRow {
  slice: number;
  blocks: string;
  acc: number;
  scaled: number;
  added: number | null;
  sum: number | null;
}

/** Slices of one slot with what each adds to y and the sum of y after it. */
export function sliceRows({ additions }: SideHistory, slot: SlotHistory): SliceRow[] {
  return slot.slices.map(({ firstBlock, blocks, acc, scaled }, slice) => {
    const step = additions.find((addition) => addition.slot === slot.slot && addition.slice === slice);
    return {
      slice,
      blocks: `${firstBlock}..${firstBlock + blocks - 1}`,
      acc,
      scaled,
      added: step?.value ?? null,
      sum: step?.sum ?? null,
    };
  });
}

/** I element of a K block whose activations are furthest apart, else the largest: where a look at FC1 pays most. */
export function elementOfBlock(a: SlotHistory | null, b: SlotHistory | null, block: number): number {
  let best = block * 16;
  let most = -1;
  for (let i = block * 16; i < block * 16 + 16; i++) {
    const left = a?.act[i] ?? 0;
    const right = b?.act[i] ?? left;
    const weight = a && b ? Math.abs(left - right) : Math.abs(left) + Math.abs(right);
    if (weight > most) {
      most = weight;
      best = i;
    }
  }
  return best;
}

/** Typed arrays as lists; NaN and infinities as text, which JSON has no number for. */
export function historyJson(history: ElementHistory): string {
  return JSON.stringify(history, (_, value: unknown) => {
    if (value instanceof Float64Array || value instanceof Uint8Array) return Array.from(value);
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  });
}
