import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BatchRow } from '../../../electron/contract/batch';
import { loadBinding } from '../../../electron/engine/native/load';
import { BatchColumns } from '../../../electron/engine/run/columns';
import { compareSessions } from '../../../electron/engine/session/compare-sessions';
import { compareTimes, fewestPairs, medianInterval } from '../../../electron/engine/session/compare-times';
import { exportCsv, exportZip } from '../../../electron/engine/session/export';
import { ReplaySource } from '../../../electron/engine/session/replay-source';
import { uniform } from '../../../electron/engine/workload/random';
import { record, type Workplace, workplace } from './recording';

function tableOf(count: number, time: (index: number) => number): BatchColumns {
  const table = new BatchColumns(2);
  for (let index = 0; index < count; index++) {
    table.append({
      index,
      time: index,
      tokens: 1 + (index % 5),
      microseconds: time(index),
      kernel: 'static',
      path: 'b12x',
      phase: 'decode',
      threshold: 0,
      routedPairs: 0,
      uniqueExperts: 1,
      maxRowsPerExpert: 1,
      otherMicroseconds: null,
      nrmse: null,
      cosine: null,
      error: null,
    } satisfies BatchRow);
  }
  return table;
}
/** 100 us with 20 % of noise, another draw for each seed. */
const noisy =
  (seed: bigint, factor = 1) =>
  (index: number) =>
    100 * factor * (0.9 + 0.2 * uniform(seed, index));
const verdictOf = (a: BatchColumns, b: BatchColumns) => compareTimes(a, b).map(({ verdict }) => verdict);

describe('times of two sessions', () => {
  it('call noise noise, and a real change by its sign', () => {
    const base = tableOf(200, noisy(1n));
    expect(verdictOf(base, tableOf(200, noisy(2n)))).toEqual(['no change within noise']);
    expect(verdictOf(base, tableOf(200, noisy(3n, 1.1)))).toEqual(['worse']);
    expect(verdictOf(base, tableOf(200, noisy(4n, 0.9)))).toEqual(['better']);
  });

  it('rarely call noise a change: at most 1 of 20 pairs at 95 %', () => {
    let wrong = 0;
    for (let pair = 0; pair < 40; pair++) {
      const [verdict] = verdictOf(
        tableOf(60, noisy(BigInt(2 * pair + 100))),
        tableOf(60, noisy(BigInt(2 * pair + 101))),
      );
      if (verdict !== 'no change within noise') wrong++;
    }
    // Binomial(40, 0.05): more than 6 happens once in a thousand; seeds are fixed.
    expect(wrong).toBeLessThanOrEqual(6);
  });

  it('say when there are too few, and pair only equal token counts', () => {
    expect(verdictOf(tableOf(fewestPairs - 1, noisy(1n)), tableOf(fewestPairs - 1, noisy(2n)))).toEqual([
      'too few batches',
    ]);
    expect(compareTimes(tableOf(5, noisy(1n)), tableOf(3, noisy(2n)))[0]?.pairs).toBe(3);
  });

  it('have an interval around the median', () => {
    const intervalOf = (count: number) => medianInterval(Float64Array.from({ length: count }, (_, index) => index + 1));
    // Ranks of the published tables (Conover, table A3 at p = 0.5): 6 -> 1 and 6, 10 -> 2 and 9, 20 -> 6 and 15.
    expect([6, 10, 20].map(intervalOf)).toEqual([
      [1, 6],
      [2, 9],
      [6, 15],
    ]);
    const [low, high] = intervalOf(10_001);
    expect(low + high).toBe(10_002);
    expect(high - low).toBeCloseTo(1.96 * Math.sqrt(10_001), -1);
  });
});

describe('two sessions', () => {
  let place: Workplace;
  const open = (name: string) => ReplaySource.open(join(place.folder, `${name}.moesession`), loadBinding);
  beforeAll(async () => {
    place = await workplace();
    await record(place.checkpoint, join(place.folder, 'a.moesession'), [4, 70, 4]);
    await record(place.checkpoint, join(place.folder, 'b.moesession'), [4, 70, 9]);
    await record(place.checkpoint, join(place.folder, 'c.moesession'), [4], { seed: 5 });
  });
  afterAll(() => place.remove());

  it('compare values where inputs are equal', async () => {
    const [a, b, c] = [await open('a'), await open('b'), await open('c')];
    const same = await compareSessions(a, b, loadBinding);
    expect(same).toMatchObject({
      warnings: [],
      samePlace: true,
      sameLayer: true,
      values: { equalInputs: 2, equalDecisions: 2, answers: 4, identical: 4, first: null },
    });
    expect((await compareSessions(a, c, loadBinding)).values).toMatchObject({ equalInputs: 0, answers: 0 });
    const moved = vi
      .spyOn(b, 'decision')
      .mockImplementation(async (batch) => ({ ...(await a.decision(batch)), tileM: 1 }));
    expect((await compareSessions(a, b, loadBinding)).values).toMatchObject({ equalInputs: 2, equalDecisions: 0 });
    moved.mockRestore();
    b.environment.device = { ...b.environment.device, provider: 'other', name: 'elsewhere' };
    b.environment.contract = 'clean';
    const warned = await compareSessions(a, b, loadBinding);
    expect(warned).toMatchObject({ samePlace: false, sameLayer: false });
    expect(warned.warnings.join()).toMatch(/provider.*device.*contract/);
    for (const source of [a, b, c]) await source.dispose();
  });

  it('go into a zip with the same bytes, and a CSV with a line a batch', async () => {
    const session = join(place.folder, 'a.moesession');
    const zip = join(place.folder, 'a.zip');
    await exportZip(session, zip, () => undefined);
    const files = unzipSync(await readFile(zip));
    expect(Object.keys(files)).toContain('a.moesession/manifest.json');
    for (const [name, bytes] of Object.entries(files))
      expect(Buffer.from(bytes).equals(await readFile(join(place.folder, name))), name).toBe(true);
    await unlink(zip);
    const a = await open('a');
    const csv = join(place.folder, 'a.csv');
    await exportCsv(a.table, csv);
    await a.dispose();
    const lines = (await readFile(csv, 'utf8')).trimEnd().split('\r\n');
    expect(lines).toHaveLength(4);
    expect(lines[2]?.split(',').slice(0, 4)).toEqual(['1', expect.any(String), '70', '140']);
    const failed = new BatchColumns(2);
    const error = { code: 'device-lost' as const, message: 'gone' };
    failed.append({ ...a.table.row(0), microseconds: 0, otherMicroseconds: null, nrmse: null, cosine: null, error });
    await exportCsv(failed, csv);
    expect((await readFile(csv, 'utf8')).split('\r\n')[1]).toMatch(/,,,,,"gone"$/);
  });
});
