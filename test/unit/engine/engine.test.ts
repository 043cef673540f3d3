import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CONTRACT_VERSION } from '../../../electron/contract/messages';
import { makeCheckpoint } from '../../../electron/engine/checkpoint/make/make';
import { loadBinding } from '../../../electron/engine/native/load';
import { memoryEngine } from '../../contract/memory-engine';
import { makeTinyCheckpoint } from '../../fixtures/sessions/tiny-checkpoint';

let folder: string;
let tiny: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moescope-engine-'));
  tiny = await makeTinyCheckpoint(loadBinding(), join(folder, 'tiny'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a window that does not keep up', () => {
  it('gets few events however long the run is, then the newest rows; all rows are in the table', async () => {
    const { client, hold, engine, close } = memoryEngine();
    await client.request('checkpoint.open', { path: tiny });
    await client.request('layer.load', { threshold: 64 });
    hold(true);
    const { inspector } = engine;
    await inspector.start({ kind: 'decode', batches: 400, rate: 0, compareEvery: 0 });
    await inspector.finished();
    hold(false);
    await client.until('batches', ({ total }) => total === 400);
    const events = client.all('batches').filter(({ total }) => total > 0);
    expect(events.length).toBeLessThanOrEqual(8);
    const shown = events.flatMap(({ rows }) => rows.map(({ index }) => index));
    const dropped = events.reduce((sum, event) => sum + event.dropped, 0);
    expect(shown.length + dropped).toBe(400);
    expect(shown[shown.length - 1]).toBe(399);
    expect((await client.request('run.stats', {})).dropped).toBe(dropped);
    expect((await client.request('batches.rows', { first: 0, count: 500 })).rows).toHaveLength(400);
    await close();
  });
});

describe('a long load', () => {
  it('tells of its progress, can be cancelled in the middle, and leaves the loop free', async () => {
    const large = join(folder, 'large');
    await makeCheckpoint(
      { shape: 'qwen3-30b-a3b', experts: 16, scales: 'realistic', seed: 1n, out: large, version: 'test' },
      loadBinding(),
    );
    const { client, close } = memoryEngine();
    await client.request('checkpoint.open', { path: large });
    const id = client.nextId;
    const cancelled = client.failure('layer.load', {});
    await client.until('progress', ({ request, done }) => request === id && done > 0);
    client.cancel(id);
    expect((await cancelled).code).toBe('cancelled');
    expect(client.all('state').at(-1)).toMatchObject({ state: 'empty', layer: null, error: null });
    let loaded = false;
    const load = client.request('layer.load', { threshold: 64 }).finally(() => {
      loaded = true;
    });
    let answered = 0;
    while (!loaded) {
      await client.request('run.stats', {});
      await new Promise((done) => setImmediate(done));
      if (!loaded) answered++;
    }
    // Of a load that kept the loop, none would be answered before its end; this one, of 35 ms or more, sees some hundred.
    expect(answered).toBeGreaterThan(5);
    expect((await load).shape).toMatchObject({ hidden: 2048, experts: 16 });
    expect(await client.request('run.step', { tokens: 64 })).toMatchObject({ path: 'cutlass' });
    await close();
  });
});

describe('a run', () => {
  it('stops at its limit, pauses after the batch under way, and starts over after a reset', async () => {
    const { client, close } = memoryEngine();
    await client.request('checkpoint.open', { path: tiny });
    await client.request('layer.load', { threshold: 64 });
    await client.request('run.start', { workload: { kind: 'decode', rate: 0, batches: 0 } });
    await client.until('batches', ({ total }) => total > 5);
    expect((await client.failure('run.step', {})).code).toBe('wrong-state');
    await client.request('run.pause', {});
    const { total } = await client.request('batches.rows', { first: 0, count: 1 });
    const { total: later } = await client.request('batches.rows', { first: 0, count: 1 });
    expect(later).toBe(total);
    const first = (await client.request('batches.rows', { first: 0, count: 5 })).rows;
    await client.request('run.reset', {});
    expect(await client.request('batches.rows', { first: 0, count: 5 })).toEqual({ total: 0, rows: [] });
    await client.request('run.start', { workload: { batches: 5 } });
    await client.until('state', ({ state, batches }) => state === 'paused' && batches === 5);
    const again = (await client.request('batches.rows', { first: 0, count: 5 })).rows;
    expect(again.map(({ tokens, nrmse, uniqueExperts }) => [tokens, nrmse, uniqueExperts])).toEqual(
      first.map(({ tokens, nrmse, uniqueExperts }) => [tokens, nrmse, uniqueExperts]),
    );
    await close();
  });

  it('keeps to its rate', async () => {
    const { client, close } = memoryEngine();
    await client.request('checkpoint.open', { path: tiny });
    await client.request('layer.load', {});
    const started = Date.now();
    await client.request('run.start', { workload: { kind: 'decode', rate: 20, batches: 8 } });
    await client.until('state', ({ state, batches }) => state === 'paused' && batches === 8);
    // Eight batches, a wait of 50 ms after each; slower machines only make it longer.
    expect(Date.now() - started).toBeGreaterThanOrEqual(7 * 50 - 5);
    await close();
  });

  it('gives the detail of a batch whose stage times are no longer kept, and says that they were measured again', async () => {
    const { client, engine, close } = memoryEngine();
    await client.request('checkpoint.open', { path: tiny });
    await client.request('layer.load', {});
    await engine.inspector.start({ kind: 'sequence', tokens: [1], batches: 4200, rate: 0, compareEvery: 0 });
    await engine.inspector.finished();
    const old = await client.request('batch.detail', { batch: 0 });
    expect(old.times[0]?.stages.length).toBeGreaterThan(0);
    expect(old.provenance).toMatch(/measured again/);
    expect((await client.request('batch.detail', { batch: 4199 })).provenance).not.toMatch(/measured again/);
    const { state } = await client.request('hello', { contract: 1 });
    expect(state.memoryBytes).toBeGreaterThan(0);
    expect(state.memoryBytes).toBeLessThan(50e6);
    await close();
  });

  it('moves the threshold of a layer that was loaded without CUTLASS sets, and back to 0', async () => {
    const { client, close } = memoryEngine();
    await client.request('checkpoint.open', { path: tiny });
    expect((await client.request('layer.load', { threshold: 0 })).bytes.cutlassScales).toBe(0);
    await client.request('run.threshold', { tokens: 8 });
    const { state } = await client.request('hello', { contract: 1 });
    expect(state.layer?.bytes.cutlassScales).toBe(state.layer?.bytes.b12xScales);
    expect(state.threshold).toEqual({ tokens: 8, origin: { kind: 'window', where: expect.any(String) } });
    expect(await client.request('run.step', { tokens: 8 })).toMatchObject({ path: 'cutlass' });
    await client.request('run.threshold', { tokens: 0 });
    expect(await client.request('run.step', { tokens: 8 })).toMatchObject({
      path: 'b12x',
      otherMicroseconds: expect.any(Number),
    });
    await close();
  });
});

describe('a recording of a run that is paused', () => {
  it('is told with the batch that was under way', async () => {
    const { client, close } = memoryEngine();
    await client.request('checkpoint.open', { path: tiny });
    await client.request('layer.load', { threshold: 64 });
    await client.request('session.record', { path: join(folder, 'paused.moesession'), taps: false });
    await client.request('run.start', { workload: { rate: 0, batches: 0 } });
    await client.until('state', ({ recording }) => recording.batches >= 2);
    await client.request('run.pause', {});
    const { state } = await client.request('hello', { contract: CONTRACT_VERSION });
    expect(state.recording.batches).toBe(state.batches);
    await client.until('state', ({ recording }) => recording.batches === state.batches);
    await close();
  });
});

describe('a weight-only checkpoint', () => {
  it('runs what it can and gives reasons for the rest', async () => {
    const path = await makeTinyCheckpoint(loadBinding(), join(folder, 'w4a16'), { inputScale: null });
    const { client, close } = memoryEngine();
    await client.request('checkpoint.open', { path });
    expect((await client.failure('layer.load', { threshold: 64 })).code).toBe('unsupported');
    const layer = await client.request('layer.load', { threshold: 0 });
    expect(layer).toMatchObject({ a1: null, hybrid: { possible: false } });
    expect((await client.failure('run.threshold', { tokens: 64 })).code).toBe('unsupported');
    expect(await client.request('run.step', { tokens: 80 })).toMatchObject({ path: 'b12x', nrmse: null, error: null });
    const diff = await client.request('diff.stages', {
      batch: 0,
      a: 'b12x',
      b: 'cutlass',
      rtol: 0,
      atol: 0,
    });
    expect(diff.stages.every(({ reason }) => reason.includes('W4A16'))).toBe(true);
    expect(diff.cannot.explain).toMatch(/W4A16/);
    expect(diff.cannot.repeat).toMatch(/W4A16/);
    await close();
  });
});

describe('tensors that nobody holds any more', () => {
  it('are given back while a run goes on: the collector knows their size', async () => {
    const binding = loadBinding();
    const bytes = new Uint8Array(2 ** 20);
    const before = process.memoryUsage().rss;
    for (let made = 0; made < 800; made++) {
      binding.tensorFromBytes(bytes, { name: 'x', dtype: 'U8', shape: [bytes.length], layout: 'linear' });
      // Finalizers run between turns of the loop, as between the batches of a run.
      if (made % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 2 ** 20);
  });
});
