/** Each cause planted alone in a made checkpoint: it is found where it is, and nothing else is. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadBinding } from '../../../electron/engine/native/load';
import { memoryEngine } from '../../contract/memory-engine';
import {
  changeBytes,
  changeTensors,
  damaged,
  makeTiny,
  type TemporaryFolder,
  temporaryFolder,
} from '../../fixtures/checkpoints/tiny';
import { look, named, only } from './look';

let folder: TemporaryFolder;
let clean = '';
let copies = 0;
beforeAll(async () => {
  folder = await temporaryFolder();
  clean = await makeTiny(join(folder.path, 'clean'), { scales: 'power-of-two' });
});
afterAll(() => folder.dispose());

const expert = (index: number, projection: string) => `model.layers.0.mlp.experts.${index}.${projection}_proj`;
const copy = (change: (path: string) => Promise<void>) => damaged(clean, join(folder.path, `copy-${copies++}`), change);
const setFloat = (path: string, name: string, change: (value: number) => number) =>
  changeBytes(path, name, (bytes) => bytes.writeFloatLE(change(bytes.readFloatLE())));

test('the checkpoint without a plant has no finding', async () => {
  const report = await look(clean);
  expect(report.findings).toEqual([]);
  expect(report.checks.filter(({ outcome }) => outcome === 'found')).toEqual([]);
  expect(report.tensors.map(({ projection }) => projection)).toEqual(['up', 'gate', 'down']);
});

test('H2 and H3 by contract', async () => {
  const alpha = await look(clean, 'activation-alpha');
  expect(only(alpha, 'H2-alpha-dual-role').measured.gs).toBe(2 ** -8);
  const micro = only(alpha, 'H3-direct-micro-multiplier');
  expect(micro.measured).toMatchObject({ maxTokens: 8, gs1: 2 ** -8, gs2: 2 ** -2, factorFc1: 2 ** -16 });
  expect(micro.explanation).toMatch(/not measured/);
  expect(named(await look(clean, 'clean'))).toEqual(['warning H3-direct-micro-multiplier']);
});

test('H3 is named only where the dispatch reaches direct-micro: not above I 512', async () => {
  const wide = await makeTiny(join(folder.path, 'wide'), { shape: 'tiny-nemotron', scales: 'power-of-two' });
  expect(named(await look(wide, 'clean'))).toEqual(['warning H3-direct-micro-multiplier']);
  const { checkpointHazards } = await import('../../../electron/engine/hazards/report');
  const { Checkpoint } = await import('../../../electron/engine/checkpoint/checkpoint');
  const { loadRules } = await import('../../../electron/engine/dispatch/rules');
  const limits = { ...loadRules(undefined, {}).limits, directMicroMaxIntermediate: 64 };
  const checkpoint = await Checkpoint.open(wide);
  const options = { contract: 'clean', merge: 'max', rules: { id: 'narrow', limits } } as const;
  expect((await checkpointHazards(loadBinding(), checkpoint, options)).findings).toEqual([]);
  await checkpoint.close();
});

test.each([
  [1e-7, 'error', 'a zero block at every amax'],
  [2e-5, 'warning', 'every scale byte subnormal'],
  [3e-4, 'warning', 'ordinary blocks subnormal'],
  [1.5, 'error', 'clamped'],
])('H7: FC2 input scale %d is %s, %s', async (scale, severity) => {
  const path = await copy((folderOf) => setFloat(folderOf, `${expert(5, 'down')}.input_scale`, () => scale));
  const found = only(await look(path), 'H7-unit-activation-scale');
  expect(found).toMatchObject({ severity, experts: [5], tensor: 'checkpoint/w2_input_scale' });
});

test.each([Number.NaN, 0, -1e-4, Number.POSITIVE_INFINITY])(
  'a scalar of %d is refused, named, and nothing else is looked at',
  async (value) => {
    const path = await copy((folderOf) => setFloat(folderOf, `${expert(3, 'up')}.weight_scale_2`, () => value));
    const report = await look(path);
    expect(named(report)).toEqual(['error bad-scale up']);
    expect(report.findings[0]).toMatchObject({ experts: [3], tensor: 'checkpoint/w13_weight_scale_2' });
  },
);

test('a NaN block scale: the finding names tensor and place', async () => {
  const path = await copy((folderOf) =>
    changeBytes(folderOf, `${expert(2, 'gate')}.weight_scale`, (bytes) => (bytes[17] = 0x7f)),
  );
  const report = await look(path);
  expect(named(report)).toEqual(['error bad-scale']);
  expect(report.findings[0]!.measured.subject).toContain(expert(2, 'gate'));
});

test('a missing tensor makes the layer a finding', async () => {
  const path = await copy((folderOf) =>
    changeTensors(folderOf, (tensor) => (tensor.name === `${expert(1, 'up')}.weight_scale` ? null : tensor)),
  );
  expect(named(await look(path))).toEqual(['error unreadable-layer']);
});

test('stored subnormal scales, few and many', async () => {
  const plant = (count: number) =>
    copy((folderOf) =>
      changeBytes(folderOf, `${expert(6, 'down')}.weight_scale`, (bytes) => bytes.fill(0x05, 0, count)),
    );
  const few = only(await look(await plant(3), 'clean'), 'stored-subnormal-scales', 'down');
  expect(few).toMatchObject({ severity: 'info', experts: [6] });
  expect(few.measured.subnormal).toBe(3);
  const many = only(await look(await plant(2000), 'clean'), 'stored-subnormal-scales', 'down');
  expect(many).toMatchObject({ severity: 'warning', measured: { subnormal: 2000, subnormalShare: 2000 / 16384 } });
});

test('blocks with weights under scale 0', async () => {
  const path = await copy((folderOf) =>
    changeBytes(folderOf, `${expert(0, 'gate')}.weight_scale`, (bytes) => bytes.fill(0, 100, 110)),
  );
  const found = only(await look(path, 'clean'), 'lost-blocks', 'gate');
  expect(found).toMatchObject({ severity: 'error', experts: [0], measured: { lost: 10 } });
});

test('scales that pile up at 448', async () => {
  const path = await copy((folderOf) =>
    changeBytes(folderOf, `${expert(4, 'up')}.weight_scale`, (bytes) => bytes.fill(0x7e, 0, 300)),
  );
  const found = only(await look(path, 'clean'), 'saturated-block-scales', 'up');
  expect(found).toMatchObject({ severity: 'error', experts: [4], measured: { saturated: 300 } });
});

/** Blocks of normal weights whose amax / 6 is spread over 0.5 .. 2.5 steps of 2^-9, packed with a scale of our choice. */
function smallBlocks(rounded: boolean, count: number) {
  const binding = loadBinding();
  const scales = new Uint8Array(count);
  const packed = new Uint8Array(count * 8);
  for (let block = 0; block < count; block++) {
    const exact = (0.5 + (2 * (block + 0.5)) / count) * 2 ** -9;
    scales[block] = binding.floatToE4m3(exact);
    const divisor = rounded ? binding.e4m3ToFloat(scales[block]!) : exact;
    for (let i = 0; i < 16; i++) {
      const weight = 6 * exact * (i === block % 16 ? 1 : Math.sin(block * 16 + i) * 0.6);
      packed[block * 8 + (i >> 1)]! |= binding.floatToE2m1(weight / divisor) << (4 * (i & 1));
    }
  }
  return { scales, packed };
}

test.each([
  ['unrounded', false, true],
  ['rounded', true, false],
])('FP4 packed with the %s scale', async (_, rounded, found) => {
  const { scales, packed } = smallBlocks(rounded, 400);
  const path = await copy(async (folderOf) => {
    await changeBytes(folderOf, `${expert(7, 'down')}.weight_scale`, (bytes) => bytes.set(scales));
    await changeBytes(folderOf, `${expert(7, 'down')}.weight`, (bytes) => bytes.set(packed));
  });
  const report = await look(path, 'clean');
  expect(named(report).includes('warning unrounded-packing down')).toBe(found);
});

test('block scales written as 128x4 tiles', async () => {
  // Rows and columns of different loudness, as real weights have; then the same bytes swizzled.
  const rows = 256;
  const columns = 8;
  const loud = (row: number, column: number) => 0x50 + ((row * 7) % 13) + ((column * 5) % 9);
  const plant = (tiled: boolean) =>
    copy(async (folderOf) => {
      for (let index = 0; index < 8; index++)
        await changeBytes(folderOf, `${expert(index, 'down')}.weight_scale`, (bytes) => {
          for (let row = 0; row < rows; row++)
            for (let column = 0; column < columns; column++) {
              const tile = Math.floor(row / 128) * (columns / 4) * 512 + Math.floor(column / 4) * 512;
              const inTile = (row % 32) * 16 + Math.floor((row % 128) / 32) * 4 + (column % 4);
              bytes[tiled ? tile + inTile : row * columns + column] = loud(row, column);
            }
        });
    });
  const found = only(await look(await plant(true), 'clean'), 'scale-layout', 'down');
  expect(found.severity).toBe('error');
  expect(found.measured.explainedTiles).toBeGreaterThan(0.9);
  expect(named(await look(await plant(false), 'clean'))).toEqual(['warning H3-direct-micro-multiplier']);
});

test('gate and up with different weight_scale_2: what the second rounding costs, and what column-0 does', async () => {
  const path = await copy((folderOf) =>
    setFloat(folderOf, `${expert(2, 'up')}.weight_scale_2`, (value) => value * 0.7),
  );
  const found = only(await look(path, 'clean'), 'gate-up-scales-differ');
  expect(found).toMatchObject({ severity: 'warning', experts: [2], measured: { differing: 1 } });
  expect(found.measured.meanRelativeError).toBeGreaterThan(0.005);
  expect(found.measured.worstRelativeError).toBeLessThanOrEqual(1 / 16);
  const column0 = only(await look(path, 'clean', 'column-0'), 'gate-up-scales-differ');
  expect(column0.severity).toBe('error');

  // A window that has the checkpoint open measures the same; a recording of it knows the merged scales only.
  const { client, close } = memoryEngine();
  await client.request('checkpoint.open', { path });
  const inWindow = async () => only(await client.request('hazards.list', {}), 'gate-up-scales-differ');
  await client.request('layer.load', { contract: 'clean', merge: 'max', threshold: 64 });
  expect(await inWindow()).toEqual(found);
  const session = join(folder.path, 'merged.moesession');
  await client.request('session.record', { path: session, taps: false });
  await client.request('session.stopRecording', {});
  await client.request('layer.load', { contract: 'clean', merge: 'column-0', threshold: 64 });
  expect(await inWindow()).toEqual(column0);
  await client.request('session.open', { path: session });
  const { differing, rescaledBlockScales } = found.measured;
  expect((await inWindow()).measured).toEqual({ differing, rescaledBlockScales });
  await close();
});

test('input scales that differ by expert', async () => {
  const plant = (factor: number) =>
    copy((folderOf) => setFloat(folderOf, `${expert(1, 'down')}.input_scale`, (value) => value / factor));
  const small = only(await look(await plant(1.5)), 'input-scales-differ', 'down');
  expect(small).toMatchObject({ severity: 'info', experts: [1], measured: { shared: 0.25 } });
  expect(small.measured.largestRatio).toBeCloseTo(1.5, 6);
  const large = only(await look(await plant(16)), 'input-scales-differ', 'down');
  expect(large).toMatchObject({ severity: 'warning', experts: [1], measured: { bitsOfRange: 4 } });
});

test('no input scales although the configuration asks for activations', async () => {
  const path = await copy((folderOf) =>
    changeTensors(folderOf, (tensor) => (tensor.name.endsWith('input_scale') ? null : tensor)),
  );
  expect(named(await look(path))).toEqual(['error missing-input-scale']);
});

test('made layers of two families, four widths and 12 seeds: nothing beside what they are made with', async () => {
  const { makeCheckpoint } = await import('../../../electron/engine/checkpoint/make/make');
  const { modelShapes } = await import('../../../electron/engine/checkpoint/make/shapes');
  const seen = new Set<string>();
  for (let seed = 1; seed <= 12; seed++) {
    for (const scales of ['power-of-two', 'realistic'] as const) {
      const shape = modelShapes[seed % 2 === 0 ? 'tiny' : 'tiny-nemotron']!;
      const shapes = { made: { ...shape, hidden: 256 + 256 * (seed % 3), intermediate: 128 + 64 * (seed % 4) } };
      const out = join(folder.path, `made-${seed}-${scales}`);
      await makeCheckpoint({ shape: 'made', scales, seed: BigInt(seed), out, version: 'test' }, loadBinding(), {
        shapes,
      });
      for (const contract of ['unit-alpha', 'clean'] as const)
        for (const { severity, id } of (await look(out, contract)).findings)
          seen.add(`${scales} ${contract} ${severity} ${id}`);
    }
  }
  expect([...seen].filter((name) => !name.includes('info padding-rule')).sort()).toEqual([
    'power-of-two clean warning H3-direct-micro-multiplier',
    'realistic clean warning H3-direct-micro-multiplier',
    'realistic unit-alpha error H1-baked-block-scales',
  ]);
});
