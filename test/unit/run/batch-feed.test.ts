import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BatchRow } from '../../../electron/contract/batch';
import { BatchFeed, type FeedEvent } from '../../../electron/engine/run/batch-feed';

const row = (index: number) => ({ index }) as BatchRow;

describe('rows on their way to a window', () => {
  let backlog = 0;
  let sent: FeedEvent[] = [];
  beforeEach(() => {
    vi.useFakeTimers();
    backlog = 0;
    sent = [];
  });
  afterEach(() => vi.useRealTimers());
  const feedOf = () => new BatchFeed({ emit: (event) => sent.push(event), backlog: () => backlog });

  it('go out at most 20 times a second, none lost at a slow rate', () => {
    const feed = feedOf();
    for (let index = 0; index < 1000; index++) {
      feed.push(row(index), index + 1);
      vi.advanceTimersByTime(1);
    }
    vi.advanceTimersByTime(100);
    expect(sent.length).toBeLessThanOrEqual(22);
    expect(sent.flatMap(({ rows }) => rows.map(({ index }) => index))).toEqual(
      Array.from({ length: 1000 }, (_, index) => index),
    );
    expect(sent.every(({ dropped }) => dropped === 0)).toBe(true);
  });

  it('keep the newest 200 of a burst and count the rest', () => {
    const feed = feedOf();
    for (let index = 0; index < 1000; index++) feed.push(row(index), index + 1);
    vi.advanceTimersByTime(100);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ total: 1000, dropped: 800 });
    expect(sent[0]?.rows.map(({ index }) => index)).toEqual(Array.from({ length: 200 }, (_, index) => 800 + index));
    expect(feed.droppedEver).toBe(800);
  });

  it('wait while the window has not taken what was sent, and go on when it has', () => {
    const feed = feedOf();
    backlog = 5;
    for (let index = 0; index < 300; index++) feed.push(row(index), index + 1);
    vi.advanceTimersByTime(10_000);
    expect(sent).toEqual([]);
    backlog = 0;
    vi.advanceTimersByTime(60);
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ total: 300, dropped: 100 });
  });
});
