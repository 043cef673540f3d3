import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { batchColumns } from '../../../renderer/panels/live/columns';
import { filterRows } from '../../../renderer/panels/live/filter-rows';
import { percentileOf, timesOverRun } from '../../../renderer/panels/live/percentiles';
import { maxRecent, mergeRows, newestGap } from '../../../renderer/stores/run';
import { noFilters } from '../../../renderer/stores/view';
import { sortRows, tableCsv } from '../../../renderer/tables/columns';
import { makeRow } from '../../fixtures/window/fake-data';

const rows = Array.from({ length: 500 }, (_, index) => makeRow(index, 64));

describe('percentiles', () => {
  it('are nearest-rank', () => {
    const values = Array.from({ length: 100 }, (_, at) => at + 1);
    expect([50, 95, 99].map((share) => percentileOf(values, share as 50))).toEqual([50, 95, 99]);
    expect(percentileOf([7], 99)).toBe(7);
  });

  it('are per kernel and per window, with a gap where a kernel did not run', () => {
    const { points, window } = timesOverRun(rows, 50);
    expect(window).toBe(16);
    expect(points).toHaveLength(Math.ceil(500 / 16));
    const third = points[2]!;
    const own = rows.filter(({ index, kernel, error }) => index >= 32 && index < 48 && kernel === 'cutlass' && !error);
    const sorted = own.map(({ microseconds }) => microseconds).sort((a, b) => a - b);
    expect(third.index).toBe(32);
    expect(third.cutlass).toBe(sorted.length > 0 ? percentileOf(sorted, 50) : null);
    expect(third.reference).toBeNull();
  });

  it('keep the points in place while rows arrive', () => {
    const before = timesOverRun(rows.slice(0, 490), 95).points;
    const after = timesOverRun(rows, 95).points;
    expect(after.slice(0, 30)).toEqual(before.slice(0, 30));
  });

  it('are empty without rows', () => expect(timesOverRun([], 50)).toEqual({ points: [], window: 0 }));
});

describe('filters', () => {
  it('show the newest first and count every limit', () => {
    expect(filterRows(rows, noFilters).map(({ index }) => index)).toEqual(rows.map(({ index }) => 499 - index));
    const some = filterRows(rows, { ...noFilters, path: 'cutlass', minTokens: 100, maxTokens: 200 });
    expect(some.length).toBeGreaterThan(0);
    for (const row of some) expect(row.path === 'cutlass' && row.tokens >= 100 && row.tokens <= 200).toBe(true);
  });

  it('a limit on NRMSE leaves out what was never compared', () => {
    const compared = filterRows(rows, { ...noFilters, minNrmse: 0 });
    expect(compared).toHaveLength(rows.filter(({ nrmse }) => nrmse !== null).length);
  });

  it('find what failed', () => {
    expect(filterRows(rows, { ...noFilters, failedOnly: true }).map(({ index }) => index)).toEqual([
      484, 387, 290, 193, 96,
    ]);
  });
});

describe('a batch that failed', () => {
  const failed = rows[96]!;
  const timed = batchColumns.filter(({ id }) => ['time', 'other', 'nrmse', 'cosine'].includes(id));
  const text = (row: typeof failed) =>
    timed.map(({ render }) => renderToStaticMarkup(render?.(row)).replace(/<[^>]+>/g, ''));

  it('has a dash for its time, as for what was not compared; a time of 0 that was measured is shown', () => {
    expect(failed).toMatchObject({ microseconds: 0, error: { code: 'bad-routing' } });
    expect(text(failed)).toEqual(['-', '-', '-', '-']);
    expect(text({ ...failed, error: null })).toEqual(['0.000us', '-', '-', '-']);
  });

  it('leaves its time out of the CSV, and comes last by time whichever way', () => {
    expect(tableCsv(timed, [failed]).trimEnd().split('\r\n')[1]).toBe(',,,');
    const some = [rows[95]!, failed, rows[97]!];
    for (const descending of [true, false])
      expect(sortRows(some, batchColumns, { column: 'time', descending }).at(-1)).toBe(failed);
  });
});

describe('rows in the window', () => {
  it('stay in order, newest wins, bounded', () => {
    const again = { ...rows[3]!, nrmse: 0.5 };
    const merged = mergeRows(rows.slice(0, 10), [again, ...rows.slice(9, 12)]);
    expect(merged.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(merged[3]!.nrmse).toBe(0.5);
    const many = Array.from({ length: maxRecent + 5 }, (_, index) => makeRow(index, 64));
    expect(mergeRows([], many).map(({ index }) => index)[0]).toBe(5);
    expect(mergeRows(rows, [])).toEqual(rows);
  });

  it('know what is missing between them', () => {
    expect(newestGap(rows)).toBeNull();
    expect(newestGap([...rows.slice(0, 3), ...rows.slice(10, 12), rows[13]!])).toEqual({ first: 12, last: 12 });
    expect(newestGap([...rows.slice(0, 3), ...rows.slice(10, 12)])).toEqual({ first: 3, last: 9 });
  });
});
