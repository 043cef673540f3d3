/** What a table column is, how rows are ordered, and how a table leaves as CSV. */
import type { ReactNode } from 'react';
import { type Cell, toCsv } from '../format/csv';

export interface Column<Row> {
  /** unique in the table */
  id: string;
  header: string;
  /** shown beside the header and in CSV as "header (unit)" */
  unit?: string;
  /** CSS width, e.g. "72px" or "1fr" */
  width: string;
  /** numbers to the right in monospace, text to the left */
  kind: 'number' | 'text';
  /** sorts and goes to CSV with all its digits; null sorts last either way */
  value: (row: Row) => Cell;
  /** how it is shown; default: the value as it is */
  render?: (row: Row) => ReactNode;
}

export interface Sort {
  column: string;
  descending: boolean;
}

/** A sorted copy; null, undefined and NaN come last whichever way. Stable. */
export function sortRows<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sort: Sort | null,
): readonly Row[] {
  const column = columns.find(({ id }) => id === sort?.column);
  if (!sort || !column) return rows;
  const sign = sort.descending ? -1 : 1;
  return rows
    .map((row) => ({ row, key: column.value(row) }))
    .sort((a, b) => compareCells(a.key, b.key, sign))
    .map(({ row }) => row);
}

function compareCells(a: Cell, b: Cell, sign: number): number {
  const aMissing = a === null || a === undefined || Number.isNaN(a);
  const bMissing = b === null || b === undefined || Number.isNaN(b);
  if (aMissing || bMissing) return aMissing === bMissing ? 0 : aMissing ? 1 : -1;
  if (typeof a === 'string' || typeof b === 'string') return sign * String(a).localeCompare(String(b), 'en');
  return sign * (Number(a) - Number(b));
}

/** The table as CSV, units in the header. */
export function tableCsv<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  return toCsv(
    columns.map(({ header, unit }) => (unit ? `${header} (${unit})` : header)),
    rows.map((row) => columns.map((column) => column.value(row))),
  );
}
