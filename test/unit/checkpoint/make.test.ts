import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { Checkpoint } from '../../../electron/engine/checkpoint/checkpoint';
import { type MakeRequest, makeCheckpoint } from '../../../electron/engine/checkpoint/make/make';
import { shiftToGlobalScale } from '../../../electron/engine/checkpoint/make/scales';
import { modelShapes } from '../../../electron/engine/checkpoint/make/shapes';
import { planShards } from '../../../electron/engine/checkpoint/safetensors/write';
import { blockScaleHealth } from '../../../electron/engine/layer/block-scale-health';
import { loadLayer } from '../../../electron/engine/layer/load-layer';
import { readRouter } from '../../../electron/engine/layer/router';
import { loadBinding } from '../../../electron/engine/native/load';
import { readTensors, type TemporaryFolder, temporaryFolder, weights } from '../../fixtures/checkpoints/tiny';

const binding = loadBinding();
let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

const request = (name: string, more: Partial<MakeRequest> = {}): MakeRequest => ({
  shape: 'tiny',
  scales: 'realistic',
  seed: 1n,
  out: join(folder.path, name),
  version: 'test',
  ...more,
});

async function failure(work: Promise<unknown>): Promise<AppError> {
  return work.then(
    () => {
      throw new Error('nothing was thrown');
    },
    (thrown) => AppError.from(thrown),
  );
}

describe('what is written opens again', () => {
  // Every family's names and keys, with the sizes cut to what a test can afford: they are only data.
  it.each(Object.keys(modelShapes))('%s', async (shape) => {
    const full = modelShapes[shape]!;
    const wanted = { ...full, hidden: 64, intermediate: 48, ...(full.latent && { latent: 32 }) };
    const experts = wanted.topK;
    const { path } = await makeCheckpoint(request(shape, { shape, experts }), binding, { shapes: { [shape]: wanted } });
    const checkpoint = await Checkpoint.open(path);
    const [layer] = checkpoint.layers;
    expect(layer!.error).toBeNull();
    expect(layer!.entry).toMatchObject({
      kind: 'moe',
      quantization: 'nvfp4',
      shape: {
        hidden: wanted.latent ?? wanted.hidden,
        intermediate: wanted.intermediate,
        experts,
        topK: wanted.topK,
        activation: wanted.activation,
        gated: wanted.activation !== 'relu2',
      },
    });
    expect(checkpoint.summary.routing).toMatchObject({
      scoring: wanted.scoring,
      scale: wanted.routedScale,
      correctionBias: wanted.scoring === 'sigmoid',
    });
    expect(checkpoint.summary.warnings).toEqual([]);
    const { correctionBias } = await readRouter(checkpoint, 0, binding);
    expect(correctionBias?.length ?? 0).toBe(wanted.scoring === 'sigmoid' ? experts : 0);
    await checkpoint.close();
  });

  it('several layers', async () => {
    const { path } = await makeCheckpoint(request('layers', { layers: 3 }), binding);
    expect((await Checkpoint.open(path)).layers.map(({ entry }) => `${entry.index} ${entry.kind}`)).toEqual([
      '0 moe',
      '1 moe',
      '2 moe',
    ]);
  });
});

describe('scales', () => {
  const powerOfTwo = (value: number) => Number.isInteger(Math.log2(value));
  const scalars = async (path: string, ending: string) => {
    const tensors = (await readTensors(join(path, weights))).filter(({ name }) => name.endsWith(ending));
    return tensors.map(({ bytes }) => Buffer.from(bytes).readFloatLE(0));
  };

  it.each(['tiny', 'tiny-nemotron'])(
    'power-of-two: %s keeps every block scale normal, before and after baking',
    async (shape) => {
      const { path } = await makeCheckpoint(request(`exact-${shape}`, { shape, scales: 'power-of-two' }), binding);
      const s2 = await scalars(path, '.weight_scale_2');
      expect(s2.every(powerOfTwo)).toBe(true);
      expect(new Set(s2).size).toBeGreaterThan(1);
      expect((await scalars(path, '.input_scale')).every(powerOfTwo)).toBe(true);
      const layer = await loadLayer(await Checkpoint.open(path), 0, binding);
      expect(layer.report).toMatchObject({ differingGateUp: 0, rescaledBlockScales: 0 });
      for (const { before, after } of await blockScaleHealth(binding, layer, 'unit-alpha')) {
        for (const side of [before, after]) expect({ ...side }).toMatchObject({ zero: 0, subnormal: 0, saturated: 0 });
        expect(after.min).toBeGreaterThanOrEqual(2 ** -6);
      }
    },
  );

  it('realistic: scales as on real models, which baking hurts', async () => {
    const { path } = await makeCheckpoint(request('realistic'), binding);
    for (const s2 of await scalars(path, '.weight_scale_2')) {
      expect(s2).toBeGreaterThan(1e-5);
      expect(s2).toBeLessThan(1e-3);
    }
    const layer = await loadLayer(await Checkpoint.open(path), 0, binding);
    expect(layer.report.a1).toBeCloseTo(1.8e-3, 4);
    for (const { before, after } of await blockScaleHealth(binding, layer, 'unit-alpha')) {
      expect(before.subnormal).toBeLessThan(0.01);
      expect(after.subnormal + after.zero).toBeGreaterThan(0.5);
    }
  });

  it('moving octaves into s2 keeps every product', () => {
    const codes = Uint8Array.of(binding.floatToE4m3(64), binding.floatToE4m3(104), 0x7e);
    const before = [...codes].map((code) => binding.e4m3ToFloat(code) * 2 ** -12);
    const s2 = shiftToGlobalScale(codes, 2 ** -12, 3);
    expect([...codes].map((code) => binding.e4m3ToFloat(code) * s2)).toEqual(before);
  });
});

describe('seeds', () => {
  const bytes = async (name: string, more: Partial<MakeRequest>) => {
    const { path } = await makeCheckpoint(request(name, more), binding);
    return readFile(join(path, weights));
  };

  it('same seed, same bytes; another seed, others', async () => {
    const first = await bytes('seed-a', { seed: 5n });
    expect((await bytes('seed-b', { seed: 5n })).equals(first)).toBe(true);
    expect((await bytes('seed-c', { seed: 6n })).equals(first)).toBe(false);
  });

  it('no two experts, projections or layers are the same', async () => {
    const { path } = await makeCheckpoint(request('unique', { layers: 2 }), binding);
    const packed = (await readTensors(join(path, weights))).filter(
      ({ name }) => name.endsWith('.weight') && name.includes('.experts.'),
    );
    expect(new Set(packed.map(({ bytes: data }) => Buffer.from(data).toString('base64'))).size).toBe(packed.length);
  });
});

describe('places', () => {
  it('does not overwrite without force, and only checkpoints with it', async () => {
    const { path } = await makeCheckpoint(request('taken'), binding);
    const before = await readFile(join(path, weights));
    const refused = await failure(makeCheckpoint(request('taken', { seed: 2n }), binding));
    expect(refused).toMatchObject({ code: 'bad-option', subject: '--out' });
    expect((await readFile(join(path, weights))).equals(before)).toBe(true);
    await makeCheckpoint(request('taken', { seed: 2n, force: true }), binding);
    expect((await readFile(join(path, weights))).equals(before)).toBe(false);
    const parent = await failure(makeCheckpoint(request('.', { force: true }), binding));
    expect(parent.message).toMatch(/no checkpoint folder/);
  });

  it('a cancelled one leaves nothing behind', async () => {
    const controller = new AbortController();
    const cancelled = await failure(
      makeCheckpoint(request('cancelled/deep', { layers: 4 }), binding, {
        signal: controller.signal,
        onProgress: () => controller.abort(),
      }),
    );
    expect(cancelled.code).toBe('cancelled');
    expect(await readdir(join(folder.path, 'cancelled'))).toEqual([]);
  });

  it('progress reaches the end and never falls', async () => {
    const seen: number[] = [];
    let last = 0;
    await makeCheckpoint(request('progress'), binding, {
      onProgress: (done, total) => {
        seen.push(done);
        last = total;
      },
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen[seen.length - 1]).toBe(last);
  });

  it.each([
    ['an unknown shape', { shape: 'gpt-5' }, '--shape'],
    ['fewer experts than a token takes', { experts: 1 }, '--experts'],
  ])('%s', async (_what, more, subject) => {
    expect(await failure(makeCheckpoint(request('never', more), binding))).toMatchObject({
      code: 'bad-option',
      subject,
    });
  });
});

describe('shards', () => {
  const group = (name: string, size: number) => ({ tensors: [{ name, dtype: 'U8', shape: [size] }] });

  it('one file where all fits', () => {
    expect(planShards([group('a', 4), group('b', 4)], 8).map(({ file }) => file)).toEqual(['model.safetensors']);
  });

  it('named as Hugging Face names them, groups kept whole', () => {
    const shards = planShards([group('a', 4), group('b', 6), group('c', 2), group('d', 20)], 8);
    expect(shards.map(({ file, groups }) => [file, groups.map(({ tensors }) => tensors[0]!.name)])).toEqual([
      ['model-00001-of-00003.safetensors', ['a']],
      ['model-00002-of-00003.safetensors', ['b', 'c']],
      ['model-00003-of-00003.safetensors', ['d']],
    ]);
  });
});
