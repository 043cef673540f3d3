import { describe, expect, it } from 'vitest';
import type { TileReply } from '../../../electron/contract/batch';
import { TileCache } from '../../../renderer/tensorview/cache';
import type { TileAddress } from '../../../renderer/tensorview/levels';
import { TileLoader } from '../../../renderer/tensorview/loader';
import { NO_VALUE, packCells, type Tile, type TileSource } from '../../../renderer/tensorview/source';

const reply = (value: number): TileReply => ({
  outRows: 1,
  outCols: 1,
  min: Float32Array.of(value),
  max: Float32Array.of(value),
  mean: Float32Array.of(value),
  marks: Uint8Array.of(0),
});

/** A source whose answers are given by hand. */
function manualSource(key = 'plane') {
  const asked: {
    row0: number;
    signal: AbortSignal;
    answer: (reply: TileReply) => void;
    fail: (error: Error) => void;
  }[] = [];
  const source: TileSource = {
    key,
    rows: 6400,
    columns: 64,
    fetch: ({ row0 }, signal) =>
      new Promise((answer, fail) => {
        asked.push({ row0, signal, answer, fail });
      }),
  };
  return { source, asked };
}

const address = (tileRow: number): TileAddress => ({ level: { rowShift: 0, columnShift: 0 }, tileRow, tileColumn: 0 });
const addresses = (first: number, count: number) => Array.from({ length: count }, (_, index) => address(first + index));
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

function loader(parallel = 2) {
  const tiles: Tile[] = [];
  const failures: unknown[] = [];
  let pending = -1;
  const has = new Set<string>();
  const made = new TileLoader(
    {
      tile: (tile) => {
        tiles.push(tile);
        has.add(tile.key);
      },
      failed: (error) => failures.push(error),
      pending: (count) => {
        pending = count;
      },
    },
    (key) => has.has(key),
    parallel,
  );
  return { made, tiles, failures, pending: () => pending };
}

describe('loader of tiles', () => {
  it('asks for a few at a time, in order, until all have come', async () => {
    const { source, asked } = manualSource();
    const { made, tiles, pending } = loader();
    made.want(source, addresses(0, 3));
    expect(asked.map(({ row0 }) => row0)).toEqual([0, 64]);
    expect(pending()).toBe(3);
    asked[0]?.answer(reply(1));
    await settle();
    expect(asked.map(({ row0 }) => row0)).toEqual([0, 64, 128]);
    asked[1]?.answer(reply(2));
    asked[2]?.answer(reply(3));
    await settle();
    expect(tiles.map(({ request }) => request.row0)).toEqual([0, 64, 128]);
    expect(pending()).toBe(0);
  });

  it('cancels what is no longer wanted and takes no late answer to it', async () => {
    const { source, asked } = manualSource();
    const { made, tiles, failures, pending } = loader();
    made.want(source, addresses(0, 2));
    made.want(source, addresses(1, 2));
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(asked[1]?.signal.aborted).toBe(false);
    asked[0]?.answer(reply(1));
    asked[1]?.answer(reply(2));
    asked[2]?.fail(new Error('no'));
    await settle();
    expect(tiles.map(({ request }) => request.row0)).toEqual([64]);
    expect(failures).toHaveLength(1);
    expect(pending()).toBe(0);
  });

  it('another source cancels everything of the one before', async () => {
    const first = manualSource('first');
    const second = manualSource('second');
    const { made, tiles } = loader();
    made.want(first.source, addresses(0, 2));
    made.want(second.source, addresses(0, 1));
    expect(first.asked.every(({ signal }) => signal.aborted)).toBe(true);
    for (const { fail } of first.asked) fail(new Error('cancelled'));
    second.asked[0]?.answer(reply(5));
    await settle();
    expect(tiles.map(({ key }) => key)).toEqual(['second|0,0|0,0']);
  });

  it('does not ask again for what is there', async () => {
    const { source, asked } = manualSource();
    const { made } = loader();
    made.want(source, addresses(0, 1));
    asked[0]?.answer(reply(1));
    await settle();
    made.want(source, addresses(0, 1));
    expect(asked).toHaveLength(1);
  });
});

describe('cache of tiles', () => {
  const tile = (key: string): Tile => ({
    key,
    level: { rowShift: 0, columnShift: 0 },
    request: { row0: 0, rows: 1, col0: 0, cols: 1, outRows: 1, outCols: 1 },
    cells: new Float32Array(4),
  });

  it('drops the least recently used when it is full', () => {
    const cache = new TileCache(3 * 16);
    for (const key of ['a|1', 'a|2', 'a|3']) expect(cache.put(tile(key))).toEqual([]);
    cache.get('a|1');
    expect(cache.put(tile('a|4')).map(({ key }) => key)).toEqual(['a|2']);
    expect([...cache.of('a')].map(({ key }) => key)).toEqual(['a|3', 'a|1', 'a|4']);
    expect([...cache.of('b')]).toEqual([]);
  });

  it('a tile larger than the limit is kept while it is the newest', () => {
    const cache = new TileCache(1);
    cache.put(tile('a|1'));
    expect(cache.size).toBe(1);
  });
});

describe('cells', () => {
  it('mark where there is no value and clamp what is infinite', () => {
    const cells = packCells({
      outRows: 1,
      outCols: 3,
      min: Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY, 1),
      max: Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, 3),
      mean: Float32Array.of(Number.NaN, 0, 2),
      marks: Uint8Array.of(8, 4, 2),
    });
    expect([...cells.subarray(0, 4)]).toEqual([0, 0, 0, 8 | NO_VALUE]);
    expect(cells[4]).toBe(-(cells[5] as number));
    expect(Number.isFinite(cells[5])).toBe(true);
    expect([...cells.subarray(8)]).toEqual([1, 3, 2, 2]);
  });
});
