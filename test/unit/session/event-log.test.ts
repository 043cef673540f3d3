import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { type ByteSink, writeDurably, writeFully } from '../../../electron/engine/session/durable-file';
import { EventFile, parseEvent, streamEvents, topicOf } from '../../../electron/engine/session/event-file';
import { EventLog } from '../../../electron/engine/session/event-log';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moescope-log-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const threshold = (from: number) => ({
  from,
  threshold: { tokens: from, origin: { kind: 'argument' as const, where: '--threshold' } },
});

async function readBack(path: string): Promise<number[]> {
  const found: number[] = [];
  await streamEvents(path, async (event) => {
    if (topicOf(event) === 'threshold') found.push(parseEvent('threshold', event).from);
  });
  return found;
}

describe('the event log', () => {
  it('keeps the order of events that were not awaited', async () => {
    const path = join(folder, 'order.mcap');
    const log = await EventLog.create(path, 'test');
    await Promise.all(Array.from({ length: 500 }, (_, index) => log.append('threshold', threshold(index))));
    await log.finish();
    const file = (await EventFile.open(path))!;
    expect(file.chunks).toBe(500);
    await file.close();
    expect(await readBack(path)).toEqual(Array.from({ length: 500 }, (_, index) => index));
  });

  it('has every awaited event in the file before it is finished', async () => {
    const path = join(folder, 'unfinished.mcap');
    const log = await EventLog.create(path, 'test');
    for (let index = 0; index < 5; index++) {
      await log.append('threshold', threshold(index));
      expect(await readBack(path)).toHaveLength(index + 1);
    }
    expect(await EventFile.open(path)).toBeNull();
    await log.finish();
  });

  it('writes all bytes when the system takes few at a time', async () => {
    const path = join(folder, 'short.mcap');
    const log = await EventLog.create(path, 'test', {
      wrap: (file) => ({
        write: (bytes, offset, length, position) => file.write(bytes, offset, Math.min(length, 7), position),
      }),
    });
    for (let index = 0; index < 20; index++) await log.append('threshold', threshold(index));
    await log.finish();
    expect(await readBack(path)).toHaveLength(20);
  });

  it('cuts the torn end of a failed write off; what was there stays readable', async () => {
    const path = join(folder, 'full.mcap');
    let left = 40_000;
    const log = await EventLog.create(path, 'test', {
      wrap: (file) => ({
        async write(bytes, offset, length, position) {
          if (left === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
          const taken = Math.min(length, left);
          left -= taken;
          return file.write(bytes, offset, taken, position);
        },
      }),
    });
    let written = 0;
    const failure = await (async () => {
      for (;;) {
        await log.append('threshold', threshold(written));
        written++;
      }
    })().catch((thrown) => thrown);
    expect(failure).toBeInstanceOf(AppError);
    expect(failure.code).toBe('disk-full');
    await expect(log.append('threshold', threshold(0))).rejects.toMatchObject({ code: 'disk-full' });
    await expect(log.finish()).rejects.toMatchObject({ code: 'disk-full' });
    expect(await readBack(path)).toHaveLength(written);
    expect((await readFile(path)).length).toBe(log.bytes);
  });

  it('refuses a record that is not of its topic, without writing', async () => {
    const path = join(folder, 'wrong.mcap');
    const log = await EventLog.create(path, 'test');
    await log.append('threshold', threshold(1));
    await expect(log.append('threshold', { from: 'x' } as never)).rejects.toBeInstanceOf(AppError);
    expect(await readBack(path)).toEqual([1]);
    await log.finish().catch(() => undefined);
  });
});

describe('durable files', () => {
  it('give up when the system takes nothing', async () => {
    const sink: ByteSink = { write: async () => ({ bytesWritten: 0 }) };
    await expect(writeFully(sink, new Uint8Array(3), 0)).rejects.toMatchObject({ code: 'ENOSPC' });
  });

  it('leave nothing behind when the content fails', async () => {
    const path = join(folder, 'half.json');
    await expect(
      writeDurably(path, async (append) => {
        await append(new Uint8Array(10));
        throw new AppError({ code: 'cancelled', message: 'stop' });
      }),
    ).rejects.toMatchObject({ code: 'cancelled' });
    const { readdir } = await import('node:fs/promises');
    expect((await readdir(folder)).filter((name) => name.includes('half'))).toEqual([]);
  });
});
