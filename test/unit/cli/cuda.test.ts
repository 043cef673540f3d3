/**
 * What is said of the cuda provider where its library, or a driver, is missing: in doctor, to run, and to the window; and with a
 * GPU, which is faked, what a layer holds of its memory and what a fault says.
 */

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventPayload } from '../../../electron/contract/messages';
import type { DeviceMemory } from '../../../electron/contract/session';
import type { VerifyReport } from '../../../electron/engine/analysis/verify';
import { addonVariable, loadAddon } from '../../../electron/engine/native/load';
import { makeTiny, type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';

let made: TemporaryFolder;
let checkpoint: string;
let ourAddon: string;
beforeAll(async () => {
  ourAddon = loadAddon().path;
  made = await temporaryFolder();
  checkpoint = await makeTiny(join(made.path, 'tiny'), { scales: 'power-of-two' });
});
afterAll(() => made.dispose());

/** An addon of its own folder, so that what lies beside it is the test's. */
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moescope-cuda-'));
  copyFileSync(ourAddon, join(folder, 'moescope.node'));
  vi.stubEnv(addonVariable, join(folder, 'moescope.node'));
  vi.resetModules();
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const library = () => join(folder, 'providers', 'libmoescope_cuda.so');
/** Puts one of the test libraries where the provider is looked for. */
function withLibrary(name: string) {
  mkdirSync(join(folder, 'providers'));
  copyFileSync(join(dirname(ourAddon), 'providers', `libmoescope_cuda_${name}.so`), library());
}

interface Told {
  name: string;
  device?: { available: boolean; reason: string };
  error?: { code: string; message: string; remedy: string };
}

async function doctor() {
  const { cli } = await import('../../fixtures/cli');
  const { json, code } = await cli(['doctor', '--json']);
  expect(code).toBe(0);
  const told = (json as unknown as { providers: Told[] }).providers.find(({ name }) => name === 'cuda');
  const { out } = await cli(['doctor']);
  return { told, out };
}

async function windowDevice() {
  const { loadBinding } = await import('../../../electron/engine/native/load');
  const { deviceNamed } = await import('../../../electron/engine/run/native-loader');
  return deviceNamed(loadBinding(), 'cuda');
}

describe('no library', () => {
  it('doctor names the file and how to build it', async () => {
    const { told, out } = await doctor();
    expect(told?.error).toMatchObject({
      code: 'provider-load',
      message: `the cuda provider is not built: there is no ${library()}`,
      remedy: expect.stringContaining('node scripts/build-native.mjs --cuda'),
    });
    expect(out).toContain(`provider   cuda: ${told?.error?.message}`);
    expect(out).toContain(told?.error?.remedy);
  });

  it('the window lists it as not available, with the reason', async () => {
    expect(await windowDevice()).toMatchObject({
      provider: 'cuda',
      available: false,
      threshold: false,
      reason: expect.stringMatching(/not built.*; build it with `node scripts\/build-native\.mjs --cuda`/),
    });
  });

  it('run ends with code 4', async () => {
    const { cli } = await import('../../fixtures/cli');
    const { code, errorCode } = await cli(['verify', checkpoint, '--provider', 'cuda', '--json']);
    expect({ code, errorCode }).toEqual({ code: 4, errorCode: 'provider-load' });
  });
});

describe('no driver', () => {
  const reason = 'no NVIDIA driver was found (libcuda.so.1 cannot be loaded); install the NVIDIA driver, 580 or newer';

  it('doctor says which to install', async () => {
    withLibrary('without_driver');
    const { told, out } = await doctor();
    expect(told?.device).toMatchObject({ available: false, reason });
    expect(out).toContain(`not available: ${reason}`);
  });

  it('the window lists it as not available, with the reason', async () => {
    withLibrary('without_driver');
    expect(await windowDevice()).toMatchObject({ provider: 'cuda', available: false, threshold: true, reason });
  });

  it('verify ends with code 4', async () => {
    withLibrary('without_driver');
    const { cli } = await import('../../fixtures/cli');
    const { code, errorCode } = await cli(['verify', checkpoint, '--provider', 'cuda', '--json']);
    expect({ code, errorCode }).toEqual({ code: 4, errorCode: 'no-device' });
  });
});

describe('a GPU, which is faked', () => {
  it('verify fails kernels that give y = x on both paths: they agree with each other, not with the cpu provider', async () => {
    withLibrary('faked');
    const { cli } = await import('../../fixtures/cli');
    const { code, out } = await cli(['verify', checkpoint, '--provider', 'cuda', '--json']);
    const { pass, items, answers } = JSON.parse(out) as VerifyReport & { pass: boolean };
    expect(items.map(({ status }) => status)).not.toContain('fail');
    expect(answers).toMatchObject({ status: 'fail', reason: expect.stringContaining("not the cpu provider's") });
    expect(answers?.rows).toHaveLength(16);
    expect({ pass, code }).toEqual({ pass: false, code: 1 });
  });

  it('the window sees what the layer holds of its memory, and a fault names kernels, batch and cause', async () => {
    withLibrary('faked');
    const { memoryEngine } = await import('../../contract/memory-engine');
    const { client, close } = memoryEngine();
    await client.request('checkpoint.open', { path: checkpoint });
    await client.request('layer.load', { provider: 'cuda', threshold: 64 });
    const { state: loaded } = await client.request('hello', { contract: 1 });
    expect(loaded.deviceMemory).toMatchObject({ reordered: 2000, runs: 0, graphs: 0 });
    expect(loaded.deviceMemory?.tensors).toBeGreaterThan(loaded.layer?.bytes.fp4 ?? Number.POSITIVE_INFINITY);

    await client.request('run.step', { tokens: 4 });
    const { state: ran } = await client.request('hello', { contract: 1 });
    expect(ran.deviceMemory).toMatchObject({ tensors: loaded.deviceMemory?.tensors, graphs: 4 });
    expect(ran.deviceMemory?.runs).toBeGreaterThan(0);

    const { error } = await client.request('run.step', { tokens: 33 });
    expect(error).toMatchObject({
      code: 'device-lost',
      message: expect.stringMatching(
        /b12x-upcast \(33 tokens, kernel static, tile \d+x128\): the GPU reported cudaErrorIllegalAddress/,
      ),
    });
    await close();
  });

  it('whoever has seen a batch knows what it took of the memory, without a word where nothing changed', async () => {
    withLibrary('faked');
    const { memoryEngine } = await import('../../contract/memory-engine');
    const loaded = async () => {
      const { client, close } = memoryEngine();
      await client.request('checkpoint.open', { path: checkpoint });
      await client.request('layer.load', { provider: 'cuda', threshold: 64 });
      await client.request('run.workload', { kind: 'sequence', tokens, rate: 20, batches, compareEvery: 0 });
      return { client, close };
    };
    const tokens = [1, 2, 5, 70, 130, 200];
    const batches = 2 * tokens.length;
    const took: DeviceMemory[] = [];
    const stepped = await loaded();
    for (let batch = 0; batch < batches; batch++) {
      await stepped.client.request('run.step', {});
      const { state } = await stepped.client.request('hello', { contract: 1 });
      took.push(state.deviceMemory!);
    }
    await stepped.close();
    expect(new Set(took.map((held) => JSON.stringify(held))).size).toBeGreaterThan(tokens.length);

    // A batch every 50 ms, the least time between two events: a state every 500 ms would be late for most.
    const { client, close } = await loaded();
    await client.request('run.start', {});
    await client.until('state', ({ state, batches: ran }) => state === 'paused' && ran === batches);
    let known: DeviceMemory | undefined;
    for (const { name, payload } of client.events) {
      if (name === 'state') known = (payload as EventPayload<'state'>).deviceMemory;
      if (name !== 'batches') continue;
      const { rows, deviceMemory } = payload as EventPayload<'batches'>;
      known = deviceMemory ?? known;
      const last = rows.at(-1);
      if (!last) continue;
      expect(known?.runs, `run buffers after batch ${last.index}`).toBeGreaterThanOrEqual(took[last.index]!.runs);
      expect(known?.graphs, `graphs after batch ${last.index}`).toBeGreaterThanOrEqual(took[last.index]!.graphs);
    }
    expect(known).toEqual(took.at(-1));

    client.events.length = 0;
    await client.request('run.start', {});
    await client.until('state', ({ state, batches: ran }) => state === 'paused' && ran === 2 * batches);
    const again = client.all('batches');
    expect(again.flatMap(({ rows }) => rows)).toHaveLength(batches);
    expect(again.filter(({ deviceMemory }) => deviceMemory)).toEqual([]);

    // Run for an answer, not for a batch: the other path takes graphs of its own.
    const { graphs } = known!;
    await client.request('batch.rerun', { batch: 0, path: 'cutlass' });
    await client.until('state', ({ deviceMemory }) => (deviceMemory?.graphs ?? 0) > graphs);
    await close();
  });

  it('a layer of the cpu provider holds none', async () => {
    const { memoryEngine } = await import('../../contract/memory-engine');
    const { client, close } = memoryEngine();
    await client.request('checkpoint.open', { path: checkpoint });
    await client.request('layer.load', {});
    expect((await client.request('hello', { contract: 1 })).state.deviceMemory).toBeUndefined();
    await close();
  });
});
