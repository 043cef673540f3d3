import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BatchRow } from '../../../electron/contract/batch';
import { kernels } from '../../../electron/contract/layer';
import { BatchColumns } from '../../../electron/engine/run/columns';
import { buildStats, buildWhatIf, nearestOther, percentile, tokensBin } from '../../../electron/engine/run/statistics';
import { buildTimeline } from '../../../electron/engine/run/timeline';

const topK = 2;

const rowArbitrary = fc.record({
  tokens: fc.integer({ min: 1, max: 4096 }),
  kernel: fc.constantFrom('direct-micro' as const, 'static' as const, 'cutlass' as const),
  microseconds: fc.double({ min: 1, max: 1e6, noNaN: true }),
  other: fc.option(fc.double({ min: 1, max: 1e6, noNaN: true })),
  failed: fc.boolean(),
});

function rowOf(
  index: number,
  made: {
    tokens: number;
    kernel: 'direct-micro' | 'static' | 'cutlass';
    microseconds: number;
    other: number | null;
    failed: boolean;
  },
): BatchRow {
  return {
    index,
    time: index * 10,
    tokens: made.tokens,
    routedPairs: made.tokens * topK,
    uniqueExperts: 3,
    maxRowsPerExpert: 5,
    phase: made.tokens > 16 ? 'prefill' : 'decode',
    path: made.kernel === 'cutlass' ? 'cutlass' : 'b12x',
    kernel: made.kernel,
    threshold: 64,
    microseconds: made.microseconds,
    otherMicroseconds: made.other,
    nrmse: made.other === null ? null : made.other / 1e7,
    cosine: made.other === null ? null : 0.99,
    error: made.failed ? { code: 'unsupported', message: 'no' } : null,
  };
}

const rowsArbitrary = fc
  .array(rowArbitrary, { minLength: 1, maxLength: 200 })
  .map((made) => made.map((row, index) => rowOf(index, row)));

function tableOf(rows: BatchRow[]): BatchColumns {
  const table = new BatchColumns(topK);
  for (const row of rows) table.append(row);
  return table;
}

describe('columns', () => {
  it('give back the rows that were put in, whole or by path', () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.nat(50), fc.integer({ min: 1, max: 60 }), (rows, first, count) => {
        const table = tableOf(rows);
        expect(table.rows(0, rows.length, rows.length).rows).toEqual(rows);
        const cutlass = rows.filter(({ path }) => path === 'cutlass');
        expect(table.rows(first, count, rows.length, 'cutlass')).toEqual({
          total: cutlass.length,
          rows: cutlass.slice(first, first + count),
        });
      }),
    );
  });

  it('hold a million batches in under 100 MB, and their timeline counts them all', () => {
    const table = new BatchColumns(topK);
    const row = rowOf(0, { tokens: 40, kernel: 'static', microseconds: 5, other: 6, failed: false });
    for (let index = 0; index < 1_000_000; index++) {
      row.index = index;
      table.append(row);
    }
    expect(table.bytes).toBeLessThan(100e6);
    const { counts } = buildTimeline(table, table.length, 0, 999_999, 1000);
    expect(counts.every((value, cell) => value === (kernels[cell % kernels.length] === 'static' ? 1000 : 0))).toBe(
      true,
    );
  });
});

describe('timeline', () => {
  it('is what counting batch by batch gives', () => {
    fc.assert(
      fc.property(
        rowsArbitrary,
        fc.integer({ min: -20, max: 150 }),
        fc.nat(250),
        fc.integer({ min: 1, max: 40 }),
        (rows, first, span, columns) => {
          const last = first + span;
          const timeline = buildTimeline(tableOf(rows), rows.length, first, last, columns);
          for (let column = 0; column < columns; column++) {
            const inside = rows.filter(
              ({ index }) =>
                index >= first &&
                index <= last &&
                Math.floor(((index - first) * columns) / (last - first + 1)) === column,
            );
            for (const [at, kernel] of kernels.entries()) {
              expect(timeline.counts[column * kernels.length + at]).toBe(
                inside.filter((row) => row.kernel === kernel).length,
              );
            }
            const extreme = (values: number[], pick: (...numbers: number[]) => number) =>
              values.length === 0 ? Number.NaN : Math.fround(pick(...values));
            const fine = inside.filter(({ error }) => error === null);
            expect(timeline.tokensMin[column]).toBe(
              extreme(
                inside.map(({ tokens }) => tokens),
                Math.min,
              ),
            );
            expect(timeline.tokensMax[column]).toBe(
              extreme(
                inside.map(({ tokens }) => tokens),
                Math.max,
              ),
            );
            expect(timeline.microsecondsMax[column]).toBe(
              extreme(
                fine.map(({ microseconds }) => microseconds),
                Math.max,
              ),
            );
            expect(timeline.nrmseMax[column]).toBe(
              extreme(
                fine.flatMap(({ nrmse }) => (nrmse === null ? [] : [nrmse])),
                Math.max,
              ),
            );
            expect(timeline.errors[column]).toBe(inside.length - fine.length);
          }
        },
      ),
    );
  });
});

describe('statistics', () => {
  it('take percentiles by nearest rank', () => {
    const sorted = Float64Array.from({ length: 100 }, (_, index) => index + 1);
    expect([0.5, 0.95, 0.99, 1].map((share) => percentile(sorted, share))).toEqual([50, 95, 99, 100]);
    expect(percentile(Float64Array.of(7), 0.99)).toBe(7);
  });

  it('bin tokens by powers of two', () => {
    expect([1, 2, 3, 4, 5, 8, 9, 1024, 1025].map(tokensBin)).toEqual([0, 1, 2, 2, 3, 3, 4, 10, 11]);
  });

  it('count every batch once', () => {
    fc.assert(
      fc.property(rowsArbitrary, (rows) => {
        const stats = buildStats(tableOf(rows), rows.length, 0);
        expect(stats.tokensHistogram.reduce((sum, { b12x, cutlass }) => sum + b12x + cutlass, 0)).toBe(rows.length);
        expect(stats.byKernel.reduce((sum, { batches }) => sum + batches, 0)).toBe(
          rows.filter(({ error }) => !error).length,
        );
        for (const { p50, p95, p99 } of stats.byKernel) expect(p50 <= p95 && p95 <= p99).toBe(true);
      }),
    );
  });
});

describe('what-if', () => {
  it('is what deciding again batch by batch gives', () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.nat(5000), (rows, threshold) => {
        const whatIf = buildWhatIf(tableOf(rows), rows.length, threshold);
        const changed = rows.filter(
          ({ error, path, tokens }) => !error && (threshold > 0 && tokens >= threshold) !== (path === 'cutlass'),
        );
        const measured = changed.filter(({ otherMicroseconds }) => otherMicroseconds !== null);
        expect(whatIf.changed).toBe(changed.length);
        expect(whatIf.toCutlass).toBe(changed.filter(({ path }) => path === 'b12x').length);
        expect(whatIf.toB12x).toBe(changed.length - whatIf.toCutlass);
        expect(whatIf.measured).toBe(measured.length);
        expect(whatIf.unmeasured).toBe(changed.length - measured.length);
        expect(whatIf.currentMicroseconds).toBeCloseTo(
          measured.reduce((sum, { microseconds }) => sum + microseconds, 0),
          3,
        );
        expect(whatIf.newMicroseconds).toBeCloseTo(
          measured.reduce((sum, { otherMicroseconds }) => sum + (otherMicroseconds ?? 0), 0),
          3,
        );
      }),
    );
  });
});

describe('nearest batch on another path', () => {
  it('is the closest, the earlier on a tie', () => {
    fc.assert(
      fc.property(rowsArbitrary, fc.nat(), (rows, any) => {
        const index = any % rows.length;
        const path = rows[index]!.path;
        const others = rows
          .filter((row) => row.path !== path)
          .sort((a, b) => Math.abs(a.index - index) - Math.abs(b.index - index) || a.index - b.index);
        expect(nearestOther(tableOf(rows), rows.length, index)).toBe(others[0]?.index ?? null);
      }),
    );
  });
});
