// biome-ignore-all lint/a11y/useSemanticElements: rows are virtual and placed by hand, so ARIA's grid and not a <table>
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and moves its selection itself
/** A table of any length: rows are made only where they can be seen; sorted by a click on a header; moved in by keyboard. */
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, memo, useEffect, useMemo, useRef, useState } from 'react';
import { type Column, type Sort, sortRows } from './columns';
import './data-table.css';

export interface DataTableProps<Row> {
  /** accessible name */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowId: (row: Row) => string | number;
  selected?: string | number | null;
  onSelect?: (row: Row) => void;
  /** Enter or double click */
  onOpen?: (row: Row) => void;
  initialSort?: Sort;
  /** why there are no rows */
  empty: string;
  /** keeps the selected row in sight when it changes elsewhere */
  revealSelected?: boolean;
  testId?: string;
}

const rowHeight = 22;
/** of a column that takes what is left */
const leastWidth = 60;

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { label, columns, rows, rowId, selected = null, onSelect, onOpen, empty } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [sort, setSort] = useState<Sort | null>(props.initialSort ?? null);
  const sorted = useMemo(() => sortRows(rows, columns, sort), [rows, columns, sort]);
  const template = columns
    .map(({ width }) => (width.endsWith('fr') ? `minmax(${leastWidth}px, ${width})` : width))
    .join(' ');
  // Not max-content: a long text would widen its own row alone, and its cells would leave their columns.
  const minWidth = columns.reduce(
    (sum, { width }) => sum + (width.endsWith('fr') ? leastWidth : Number.parseFloat(width)),
    0,
  );
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
  });
  const selectedAt = selected === null ? -1 : sorted.findIndex((row) => rowId(row) === selected);

  // biome-ignore lint/correctness/useExhaustiveDependencies: only a change of the selection scrolls, not rows that arrive
  useEffect(() => {
    if (props.revealSelected && selectedAt >= 0) virtual.scrollToIndex(selectedAt, { align: 'auto' });
  }, [selected]);

  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight) - 2);
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -sorted.length,
      End: sorted.length,
    };
    const step = steps[event.key];
    if (step !== undefined && onSelect && sorted.length > 0) {
      event.preventDefault();
      event.stopPropagation();
      const next = Math.min(sorted.length - 1, Math.max(0, (selectedAt < 0 ? -1 : selectedAt) + step));
      onSelect(sorted[next]!);
      virtual.scrollToIndex(next, { align: 'auto' });
    } else if (event.key === 'Enter' && onOpen && selectedAt >= 0) {
      onOpen(sorted[selectedAt]!);
    }
  };

  const toggleSort = (column: Column<Row>) =>
    setSort((before) => {
      if (before?.column !== column.id) return { column: column.id, descending: column.kind === 'number' };
      // third click: back to the order of the rows themselves
      return before.descending === (column.kind === 'number') ? { ...before, descending: !before.descending } : null;
    });

  return (
    <div
      className="data-table"
      role="grid"
      aria-label={label}
      aria-rowcount={sorted.length + 1}
      data-testid={props.testId}
      tabIndex={0}
      onKeyDown={onKeyDown}
      ref={scroller}
    >
      <div className="data-head" role="row" style={{ gridTemplateColumns: template, minWidth }}>
        {columns.map((column) => (
          <div
            key={column.id}
            role="columnheader"
            className={column.kind}
            aria-sort={sort?.column === column.id ? (sort.descending ? 'descending' : 'ascending') : 'none'}
          >
            <button type="button" tabIndex={-1} onClick={() => toggleSort(column)}>
              {column.header}
              {column.unit && <span className="unit">{column.unit}</span>}
              {sort?.column === column.id && <span aria-hidden="true">{sort.descending ? '↓' : '↑'}</span>}
            </button>
          </div>
        ))}
      </div>
      {sorted.length === 0 ? (
        <div className="data-empty" role="status">
          {empty}
        </div>
      ) : (
        <div className="data-body" style={{ height: virtual.getTotalSize(), minWidth }}>
          {virtual.getVirtualItems().map((item) => {
            const row = sorted[item.index]!;
            return (
              <TableRow
                key={rowId(row)}
                row={row}
                columns={columns as readonly Column<unknown>[]}
                index={item.index}
                top={item.start}
                template={template}
                selected={item.index === selectedAt}
                onSelect={onSelect as ((row: unknown) => void) | undefined}
                onOpen={onOpen as ((row: unknown) => void) | undefined}
              />
            );
          })}
        </div>
      )}
    </div>
  );
}

interface TableRowProps {
  row: unknown;
  columns: readonly Column<unknown>[];
  index: number;
  top: number;
  template: string;
  selected: boolean;
  onSelect?: ((row: unknown) => void) | undefined;
  onOpen?: ((row: unknown) => void) | undefined;
}

/** Rendered again only when its row, place or selection changes: rows arrive up to 20 times a second. */
const TableRow = memo(function TableRow(props: TableRowProps) {
  const { row, columns, index, top, template, selected, onSelect, onOpen } = props;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid has the keyboard
    <div
      role="row"
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-selected={onSelect ? selected : undefined}
      className={selected ? 'data-row selected' : 'data-row'}
      style={{ gridTemplateColumns: template, transform: `translateY(${top}px)` }}
      onClick={onSelect && (() => onSelect(row))}
      onDoubleClick={onOpen && (() => onOpen(row))}
    >
      {columns.map((column) => (
        <div key={column.id} role="gridcell" className={column.kind}>
          {column.render ? column.render(row) : (column.value(row) ?? '-')}
        </div>
      ))}
    </div>
  );
});
