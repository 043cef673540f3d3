import { describe, expect, it } from 'vitest';
import { BatchColumns } from '../../../electron/engine/run/columns';
import { buildTimeline } from '../../../electron/engine/run/timeline';
import { bucketsCsv } from '../../../renderer/frame/timeline/buckets-csv';
import {
  batchToX,
  leastSpan,
  panned,
  rangeNow,
  ticks,
  tokensTop,
  tokensToY,
  xToBatch,
  yToTokens,
  zoomed,
} from '../../../renderer/frame/timeline/geometry';
import { makeRow } from '../../fixtures/window/fake-data';

const range = { first: 100, last: 299 };

describe('range of the timeline', () => {
  it('keeps the newest batch at the right edge while it follows', () => {
    expect(rangeNow({ first: 0, last: 199, follow: true }, 1000)).toEqual({ first: 800, last: 999 });
    expect(rangeNow({ first: 0, last: 199, follow: true }, 5)).toEqual({ first: 0, last: 199 });
    expect(rangeNow({ first: 7, last: 50, follow: false }, 1000)).toEqual({ first: 7, last: 50 });
  });

  it('zooms about the batch under the pointer and never below the least span', () => {
    const closer = zoomed(range, 0.5, 150, 10_000);
    expect(closer.last - closer.first + 1).toBeCloseTo(100);
    expect(batchToX(150, closer, 800)).toBeCloseTo(batchToX(150, range, 800));
    const closest = zoomed(range, 1e-6, 150, 10_000);
    expect(closest.last - closest.first + 1).toBeCloseTo(leastSpan);
  });

  it('zooms out over a million batches and not much further', () => {
    const out = zoomed(range, 1e9, 150, 1_000_000);
    expect(out.first).toBe(0);
    expect(out.last - out.first + 1).toBeLessThanOrEqual(1_100_000);
    expect(out.last).toBeGreaterThanOrEqual(999_999);
  });

  it('pans without losing all batches from sight', () => {
    expect(panned(range, -1e6, 10_000).first).toBe(0);
    expect(panned(range, 1e6, 10_000).first).toBeLessThan(10_000);
  });
});

describe('places on the timeline', () => {
  it('finds the batch of every pixel it drew', () => {
    for (let batch = range.first; batch <= range.last; batch++) {
      const x = batchToX(batch, range, 1000);
      expect(xToBatch(x + 2, range, 1000)).toBe(batch);
    }
  });

  it('inverts the token scale at every power of two', () => {
    const scale = { top: 6, height: 400, max: 8192 };
    for (let tokens = 1; tokens <= 8192; tokens *= 2) expect(yToTokens(tokensToY(tokens, scale), scale)).toBe(tokens);
    expect(tokensToY(1, scale)).toBe(406);
    expect(tokensToY(8192, scale)).toBe(6);
  });

  it('takes a power of two that holds everything shown', () => {
    expect(tokensTop(3)).toBe(256);
    expect(tokensTop(257, Number.NEGATIVE_INFINITY)).toBe(512);
    expect(tokensTop(8192, Number.NaN)).toBe(8192);
  });

  it('puts round numbers on the axis', () => {
    expect(ticks({ first: 0, last: 99 }, 10)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
    expect(ticks({ first: 3, last: 8 }, 100)).toEqual([3, 4, 5, 6, 7, 8]);
    expect(ticks({ first: 0, last: 999_999 }, 8)).toEqual([0, 200_000, 400_000, 600_000, 800_000]);
  });
});

describe('the timeline as CSV', () => {
  it('leaves a cell empty where there is no such number, and never writes NaN', () => {
    const table = new BatchColumns(8);
    const alone = { ...makeRow(0, 64, 4), otherMicroseconds: null, nrmse: null, cosine: null };
    table.append({ ...alone, microseconds: 12.5 });
    const error = { code: 'device-lost' as const, message: 'gone' };
    table.append({ ...alone, index: 1, tokens: 33, microseconds: 0, error });
    const lines = bucketsCsv(buildTimeline(table, 2, 0, 2, 3))
      .trimEnd()
      .split('\r\n');
    expect(lines.map((line) => line.split(',').slice(-5))).toEqual([
      ['tokens min', 'tokens max', 'time max (us)', 'NRMSE max', 'errors'],
      ['4', '4', '12.5', '', '0'],
      ['33', '33', '', '', '1'],
      ['', '', '', '', '0'],
    ]);
  });
});
