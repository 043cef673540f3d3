import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { McapIndexedReader } from '@mcap/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BatchRow } from '../../../electron/contract/batch';
import { AppError } from '../../../electron/contract/errors';
import { loadBinding } from '../../../electron/engine/native/load';
import { EventFile, topicOf } from '../../../electron/engine/session/event-file';
import { eventFile, manifestFile } from '../../../electron/engine/session/files';
import { ReplaySource } from '../../../electron/engine/session/replay-source';
import { copySession, record, type Workplace, workplace } from './recording';

let place: Workplace;
let whole: string;
let rows: BatchRow[];
/** end of each chunk in the file, with the topic of its event */
let ends: { end: number; topic: string }[];

beforeAll(async () => {
  place = await workplace();
  whole = join(place.folder, 'whole.moesession');
  rows = await record(place.checkpoint, whole, [1, 80, 3, 64, 8, 2]);
  const file = (await EventFile.open(eventFile(whole)))!;
  const bytes = await readFile(eventFile(whole));
  const reader = await McapIndexedReader.Initialize({
    readable: {
      size: async () => BigInt(bytes.length),
      read: async (offset, size) => bytes.subarray(Number(offset), Number(offset + size)),
    },
  });
  ends = [];
  for (const [at, index] of reader.chunkIndexes.entries()) {
    const [event] = await file.chunk(at);
    ends.push({ end: Number(index.chunkStartOffset + index.chunkLength), topic: topicOf(event!) ?? '' });
  }
  await file.close();
});
afterAll(() => place.remove());

/** A copy as it would be after the recording process died when `bytes` were on disk. */
async function cutAt(bytes: number): Promise<string> {
  const path = join(place.folder, `cut-${bytes}.moesession`);
  await copySession(whole, path);
  await truncate(eventFile(path), bytes);
  const manifest = JSON.parse(await readFile(manifestFile(path), 'utf8'));
  await writeFile(
    manifestFile(path),
    JSON.stringify({ ...manifest, recordedBy: { pid: 2 ** 22 + 1, host: 'elsewhere' }, batches: 0 }),
  );
  return path;
}

describe('a recording that was cut', () => {
  it('keeps every complete result, wherever the cut is', async () => {
    const { length } = await readFile(eventFile(whole));
    const cuts = new Set([0, 7, 8, 40, length - 1]);
    for (const { end } of ends) for (const offset of [-1, 0, 13]) cuts.add(end + offset);
    for (let at = 100; at < length; at += Math.floor(length / 16)) cuts.add(at);
    let opened = 0;
    for (const cut of cuts) {
      const path = await cutAt(cut);
      const complete = ends.filter(({ end }) => end <= cut);
      const results = complete.filter(({ topic }) => topic === 'result').length;
      let source: ReplaySource;
      try {
        source = await ReplaySource.open(path, loadBinding);
      } catch (thrown) {
        expect(thrown, `cut at ${cut}`).toBeInstanceOf(AppError);
        expect((thrown as AppError).code, `cut at ${cut}`).toBe('session-incomplete');
        expect(complete, `cut at ${cut}`).toEqual([]);
        continue;
      }
      opened++;
      expect(source.table.rows(0, 100, source.table.length).rows, `cut at ${cut}`).toEqual(rows.slice(0, results));
      const intents = complete.filter(({ topic }) => topic === 'intent').length;
      const launched = source.info().integrity.lost.filter((loss) => loss.includes('launched'));
      expect(launched, `cut at ${cut}`).toHaveLength(intents - results);
      await source.dispose();
    }
    expect(opened).toBeGreaterThan(40);
  });

  it('is a file for stock readers after it was opened, and stays as it is when opened again', async () => {
    const path = await cutAt(ends[ends.length - 3]!.end + 5);
    await (await ReplaySource.open(path, loadBinding)).dispose();
    const recovered = await readFile(eventFile(path));
    const again = await ReplaySource.open(path, loadBinding);
    expect(again.info().integrity.complete).toBe(false);
    expect(again.info().integrity.lost[0]).toMatch(/bytes after the last complete event/);
    await again.dispose();
    expect(await readFile(eventFile(path))).toEqual(recovered);
  });

  it('is left alone while its recorder lives', async () => {
    const path = await cutAt(ends[5]!.end + 5);
    const manifest = JSON.parse(await readFile(manifestFile(path), 'utf8'));
    const { hostname } = await import('node:os');
    await writeFile(
      manifestFile(path),
      JSON.stringify({ ...manifest, recordedBy: { pid: process.pid, host: hostname() } }),
    );
    await expect(ReplaySource.open(path, loadBinding)).rejects.toMatchObject({ code: 'busy' });
  });

  it('names a damaged event in the middle and keeps the rest', async () => {
    const path = join(place.folder, 'flipped.moesession');
    await copySession(whole, path);
    const bytes = await readFile(eventFile(path));
    const second = ends.filter(({ topic }) => topic === 'result')[1]!;
    bytes[second.end - 20]! ^= 0x40;
    await writeFile(eventFile(path), bytes);
    const source = await ReplaySource.open(path, loadBinding);
    expect(source.table.length).toBe(rows.length - 1);
    expect(source.info().integrity.lost).toHaveLength(1);
    expect(source.info().integrity.lost[0]).toMatch(/damaged/);
    expect(source.table.rows(0, 9, 9 - 4).rows.map(({ tokens }) => tokens)).toEqual([1, 3, 64, 8, 2]);
    await source.dispose();
  });
});

describe('a finished recording', () => {
  it('opens in the stock indexed reader, with a JSON Schema for every topic', async () => {
    const bytes = await readFile(eventFile(whole));
    const reader = await McapIndexedReader.Initialize({
      readable: {
        size: async () => BigInt(bytes.length),
        read: async (offset, size) => bytes.subarray(Number(offset), Number(offset + size)),
      },
    });
    const counts = new Map<string, number>();
    for await (const { channelId, data } of reader.readMessages()) {
      const channel = reader.channelsById.get(channelId)!;
      counts.set(channel.topic, (counts.get(channel.topic) ?? 0) + 1);
      const schema = reader.schemasById.get(channel.schemaId)!;
      expect(schema.encoding).toBe('jsonschema');
      const { properties } = JSON.parse(new TextDecoder().decode(schema.data));
      for (const key of Object.keys(JSON.parse(new TextDecoder().decode(data))))
        expect(Object.keys(properties)).toContain(key);
    }
    expect(counts.get('/intent')).toBe(rows.length);
    expect(counts.get('/result')).toBe(rows.length);
    expect(counts.get('/environment')).toBe(1);
    expect(reader.statistics?.messageCount).toBe(BigInt([...counts.values()].reduce((sum, count) => sum + count, 0)));
  });

  it('costs under 10 % more than the records of its batches', async () => {
    const file = (await EventFile.open(eventFile(whole)))!;
    let payload = 0;
    let written = 0;
    for (let chunk = 1; chunk < file.chunks; chunk++) {
      // The first event of a topic brings the topic's schema along.
      if (ends.findIndex(({ topic }) => topic === ends[chunk]!.topic) === chunk) continue;
      for (const event of await file.chunk(chunk)) payload += event.data.length;
      written += ends[chunk]!.end - ends[chunk - 1]!.end;
    }
    await file.close();
    expect(written / payload).toBeGreaterThan(1);
    expect(written / payload).toBeLessThan(1.1);
  });
});
