import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadBinding } from '../../../electron/engine/native/load';
import { memoryEngine } from '../../contract/memory-engine';
import { makeTinyCheckpoint } from '../../fixtures/sessions/tiny-checkpoint';

let folder: string;
let tiny: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moescope-recording-'));
  tiny = await makeTinyCheckpoint(loadBinding(), join(folder, 'tiny'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('a bookmark made while recording names the batch by its number in the recording', async () => {
  const { client, close } = memoryEngine();
  await client.request('checkpoint.open', { path: tiny });
  await client.request('layer.load', { threshold: 64 });
  for (let i = 0; i < 3; i++) await client.request('run.step', { tokens: 2 });
  await client.request('session.record', { path: join(folder, 'late.moesession'), taps: false });
  const bookmark = (batch: number) => ({ bookmark: { batch, text: 'here' } });
  expect(await client.failure('session.annotate', bookmark(2))).toMatchObject({
    code: 'bad-option',
    subject: 'bookmark',
  });
  await client.request('run.step', { tokens: 2 });
  const { index } = await client.request('run.step', { tokens: 2 });
  expect(index).toBe(4);
  await client.request('session.annotate', bookmark(4));
  expect(await client.failure('session.annotate', bookmark(2))).toMatchObject({ expected: '3 to 4', found: '2' });
  const info = await client.request('session.stopRecording', {});
  expect(info.bookmarks.map(({ batch }) => batch)).toEqual([1]);
  await close();
});

it('a run that stands still has no rate', async () => {
  const { client, close } = memoryEngine();
  await client.request('checkpoint.open', { path: tiny });
  await client.request('layer.load', { threshold: 64 });
  await client.request('run.start', { workload: { kind: 'decode', rate: 0, batches: 0, compareEvery: 0 } });
  await client.until('batches', ({ total }) => total > 5);
  expect((await client.request('run.stats', {})).batchesPerSecond).toBeGreaterThan(0);
  await client.request('run.pause', {});
  expect((await client.request('run.stats', {})).batchesPerSecond).toBe(0);
  await close();
});

it('a threshold given without an origin is the window’s, also after one of the command line', async () => {
  const { client, engine, close } = memoryEngine();
  await client.request('checkpoint.open', { path: tiny });
  const origin = { kind: 'argument', where: '--threshold' } as const;
  await client.request('layer.load', { threshold: 32, thresholdOrigin: origin });
  expect(engine.inspector.state().threshold.origin).toEqual(origin);
  await client.request('layer.load', { threshold: 64 });
  expect(engine.inspector.state().threshold).toMatchObject({ tokens: 64 });
  expect(engine.inspector.state().threshold.origin).not.toEqual(origin);
  await close();
});

it('every close of the engine waits for the one shutdown', async () => {
  const { client, engine } = memoryEngine();
  await client.request('checkpoint.open', { path: tiny });
  await client.request('layer.load', { threshold: 64 });
  const first = engine.close();
  let ended = false;
  void first.then(() => {
    ended = true;
  });
  await engine.close();
  expect(ended).toBe(true);
});
