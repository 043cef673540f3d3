/** The addon's own surface: arguments, errors as data, cancellation, progress, the inspector's questions. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { errorCodes } from '../../electron/contract/errors';
import type { AssembleSpec, MappedFile, ProjectionSources } from '../../electron/engine/native/binding';
import { loadAddon } from '../../electron/engine/native/load';

const { binding: native, path: addonPath } = loadAddon();
const folder = mkdtempSync(join(tmpdir(), 'moescope-bindings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** A random layer of H = 64, I = 32, 4 experts in one file. */
async function smallSpec(name: string, change: (bytes: Uint8Array) => void = () => {}): Promise<AssembleSpec> {
  const [hidden, intermediate, experts] = [64, 32, 4];
  const packed = (hidden * intermediate) / 2;
  const scales = (hidden * intermediate) / 16;
  const bytes = new Uint8Array(3 * experts * (packed + scales)).map((_, i) => (i * 7) % 0x7f);
  change(bytes);
  const file = await native.mapFile(fileOf(name, bytes));
  const sources = (index: number): ProjectionSources => {
    const at = (expert: number) => (index * experts + expert) * (packed + scales);
    const all = [0, 1, 2, 3];
    return {
      file: new Int32Array(experts),
      packed: Float64Array.from(all, at),
      scaleFile: new Int32Array(experts),
      scale: Float64Array.from(all, (expert) => at(expert) + packed),
      s2: new Float32Array(experts).fill(1e-4),
      inputScale: new Float32Array(experts).fill(2e-3),
    };
  };
  const [gate, up, down] = [sources(0), sources(1), sources(2)];
  return {
    hidden,
    intermediate,
    experts,
    topK: 2,
    gated: true,
    activation: 'silu',
    swigluAlpha: 0,
    swigluLimit: 0,
    convention: 'small',
    merge: 'max',
    files: [file],
    gate,
    up,
    down,
  };
}

function thrownBy(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('formats', () => {
  it('decode and encode every code', () => {
    for (let code = 0; code < 256; code++) {
      const value = native.e4m3ToFloat(code);
      if ((code & 0x7f) === 0x7f) expect(value).toBeNaN();
      else expect(native.floatToE4m3(value)).toBe(code);
    }
    for (let code = 0; code < 16; code++) expect(native.floatToE2m1(native.e2m1ToFloat(code))).toBe(code);
    expect(native.floatToE2m1(Number.NaN)).toBe(7);
    expect(native.floatToE4m3(Number.NaN)).toBe(0x7f);
    expect(thrownBy(() => native.e4m3ToFloat(256))).toMatchObject({ code: 'usage' });
    expect(thrownBy(() => native.e2m1ToFloat(1.5))).toMatchObject({ code: 'usage' });
  });
});

describe('mapped files', () => {
  it('read ranges and refuse what leaves them', async () => {
    const file = await native.mapFile(
      fileOf(
        'ten',
        Uint8Array.from({ length: 10 }, (_, i) => i),
      ),
    );
    expect([...file.read(3, 4)]).toEqual([3, 4, 5, 6]);
    expect(file.read(10, 0).length).toBe(0);
    expect(thrownBy(() => file.read(8, 3))).toMatchObject({ code: 'out-of-bounds', details: { subject: file.path } });
    for (const offset of [-1, 0.5, Number.NaN, 2 ** 60, '1' as unknown as number])
      expect(thrownBy(() => file.read(offset, 1))).toMatchObject({ code: 'usage' });
    expect(thrownBy(() => file.read(0, 2 ** 26 + 1))).toMatchObject({ code: 'usage' });
    file.close();
    expect(thrownBy(() => file.read(0, 1))).toMatchObject({ code: 'wrong-state' });
    expect(() => file.close()).not.toThrow();
  });

  it('say why a path cannot be mapped', async () => {
    await expect(native.mapFile(join(folder, 'absent'))).rejects.toMatchObject({ code: 'file-not-found' });
    await expect(native.mapFile(folder)).rejects.toMatchObject({ code: 'file-unreadable' });
    await expect(native.mapFile(7 as unknown as string)).rejects.toMatchObject({ code: 'usage' });
    expect((await native.mapFile(fileOf('empty', new Uint8Array(0)))).size).toBe(0);
  });

  it('notice that a file was cut, instead of a fault', async () => {
    const path = fileOf('cut', new Uint8Array(10000));
    const file = await native.mapFile(path);
    const tensor = native.tensorFromFile(file, {
      name: 't',
      dtype: 'U8',
      shape: [100, 100],
      layout: 'linear',
      offset: 0,
      bytes: 10000,
    });
    truncateSync(path, 10);
    expect(thrownBy(() => file.read(5000, 1))).toMatchObject({ code: 'file-truncated' });
    expect(thrownBy(() => tensor.read(5000, 1))).toMatchObject({ code: 'file-truncated' });
    expect(thrownBy(() => tensor.pick(0, 50, 50))).toMatchObject({ code: 'file-truncated' });
    await expect(tensor.stats()).rejects.toMatchObject({ code: 'file-truncated' });
  });
});

describe('layers', () => {
  it('report progress and stop when cancelled', async () => {
    const reports: [number, number][] = [];
    await native.assembleLayer(await smallSpec('progress'), {
      onProgress: (done, total) => reports.push([done, total]),
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(reports.at(-1)).toEqual([8, 8]);
    const cancel = native.createCancelFlag();
    cancel.cancel();
    await expect(native.assembleLayer(await smallSpec('cancel'), { cancel })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });

  it('name a bad block scale, s2 and input scale', async () => {
    const packed = (64 * 32) / 2;
    const scaleByte = (4 + 2) * (packed + packed / 8) + packed + 5 * 4 + 3; // up, expert 2, row 5, column 3
    const nan = smallSpec('nan', (bytes) => {
      bytes[scaleByte] = 0x7f;
    });
    await expect(native.assembleLayer(await nan)).rejects.toMatchObject({
      code: 'bad-scale',
      details: { projection: 'up', field: 'weight_scale', expert: 2, row: 5, column: 3 },
    });
    const zero = await smallSpec('zero');
    zero.down.s2[3] = 0;
    await expect(native.assembleLayer(zero)).rejects.toMatchObject({
      code: 'bad-scale',
      details: { projection: 'down', field: 'weight_scale_2', expert: 3 },
    });
    const infinite = await smallSpec('infinite');
    infinite.gate!.inputScale![1] = Number.POSITIVE_INFINITY;
    await expect(native.assembleLayer(infinite)).rejects.toMatchObject({
      code: 'bad-scale',
      details: { projection: 'gate', field: 'input_scale', expert: 1 },
    });
  });

  it('refuse malformed specs with one clear message', async () => {
    const spec = await smallSpec('malformed');
    const refuse = async (change: Record<string, unknown>, code: string, message: RegExp) => {
      const bad = { ...spec, ...change } as unknown as AssembleSpec;
      await expect(native.assembleLayer(bad)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    };
    await refuse({ hidden: 72 }, 'unsupported-shape', /hidden size .* multiple of 16, found 72/);
    await refuse({ topK: 5 }, 'unsupported-shape', /top-k .* 4, found 5/);
    await refuse({ hidden: 'x' }, 'usage', /spec.hidden must be a whole number .*, found "x"/);
    await refuse({ activation: 'tanh' }, 'usage', /spec.activation must be one of silu, gelu_tanh, swigluoai, relu2/);
    await refuse({ up: null }, 'usage', /spec.up must be an object, found null/);
    await refuse(
      { up: { ...spec.up, s2: new Float32Array(3) } },
      'usage',
      /spec.up.s2 must be a Float32Array of 4 elements, found 3/,
    );
    await refuse({ files: [{}] }, 'usage', /spec.files\[0\] must be a MappedFile/);
    await refuse({ up: { ...spec.up, packed: Float64Array.of(0, 0, 0, 1e9) } }, 'out-of-bounds', /leave the file/);
    await expect(native.assembleLayer(undefined as unknown as AssembleSpec)).rejects.toMatchObject({ code: 'usage' });
    const layer = await native.assembleLayer(spec);
    await expect(native.prepareLayer(layer, { contract: 'tidy' as 'clean', threshold: 0 })).rejects.toMatchObject({
      code: 'usage',
    });
    await expect(native.prepareLayer(layer, { contract: 'clean', threshold: -1 })).rejects.toMatchObject({
      code: 'usage',
    });
    const prepared = await native.prepareLayer(layer, { contract: 'clean', threshold: 0 });
    await expect(prepared.rearrange(Int32Array.of(0, 1, 2, 2))).rejects.toMatchObject({ code: 'bad-permutation' });
    await expect(prepared.rearrange(Int32Array.of(0, 1, 2, 3), ['bias'])).rejects.toMatchObject({ code: 'usage' });
  });

  it('every code that reaches JavaScript is a known one, and handles cannot be made by hand', async () => {
    const error = await native.mapFile(join(folder, 'absent')).catch((thrown) => thrown as { code: string });
    expect(errorCodes).toContain((error as { code: string }).code);
    const file = await native.mapFile(fileOf('one', new Uint8Array(1)));
    const Forged = file.constructor as new (value?: unknown) => MappedFile;
    expect(thrownBy(() => new Forged())).toMatchObject({ code: 'usage' });
    const fake = Object.create(Forged.prototype) as MappedFile;
    expect(thrownBy(() => fake.read(0, 1))).toBeInstanceOf(Error);
  });
});

describe('the inspector', () => {
  const bytes = new Uint8Array(2 * 128 * 4).map((_, i) => i % 0x7f);
  const scales = () =>
    native.tensorFromBytes(bytes, { name: 's', dtype: 'F8_E4M3', shape: [2, 128, 4], layout: 'sf128x4' });

  it('tiles, counts, measures and picks', async () => {
    const tensor = scales();
    const tile = await tensor.tile({ plane: 1, row0: 0, rows: 128, col0: 0, cols: 4, outRows: 2, outCols: 2 });
    expect([tile.min.length, tile.max.length, tile.mean.length, tile.marks.length]).toEqual([4, 4, 4, 4]);
    expect(tile.marks.constructor).toBe(Uint8Array);
    const counts = await tensor.histogram(-1);
    expect([...counts].reduce((a, b) => a + b)).toBe(1024);
    expect(counts[5]).toBe(bytes.filter((byte) => byte === 5).length);
    const [first] = await tensor.stats();
    expect(first).toMatchObject({ count: 512, nan: 0, max: 448 });
    expect(tensor.pick(1, 33, 2)).toMatchObject({
      linearOffset: (128 + 33) * 4 + 2,
      swizzledOffset: 512 + 16 + 4 + 2,
      mma6d: [1, 1, 0, 2, 0, 1],
      bits: bytes[512 + 22],
    });
    await expect(tensor.histogram(2)).rejects.toMatchObject({ code: 'out-of-bounds' });
    await expect(
      tensor.tile({ plane: 0, row0: 100, rows: 29, col0: 0, cols: 4, outRows: 1, outCols: 1 }),
    ).rejects.toMatchObject({ code: 'out-of-bounds' });
  });

  it('many questions at once give the answers of one', async () => {
    const tensor = scales();
    const one = await tensor.planeHashes();
    const all = await Promise.all(Array.from({ length: 50 }, () => tensor.planeHashes()));
    for (const hashes of all) expect(hashes).toEqual(one);
  });

  it('copies out, so that changing the copy changes nothing', () => {
    const tensor = scales();
    tensor.read(0, 16).fill(0xff);
    expect(tensor.read(0, 16)).toEqual(bytes.slice(0, 16));
  });
});

describe('made numbers', () => {
  it('depend on the seed alone', async () => {
    const request = { rows: 32, columns: 64, seed: 2n ** 63n + 5n, sigma: 0.05, scales: 'power-of-two' as const };
    const [a, b] = await Promise.all([native.makeProjection(request), native.makeProjection(request)]);
    expect(a).toEqual(b);
    expect(Number.isInteger(Math.log2(a.s2))).toBe(true);
    expect(a.packed.length).toBe(1024);
    expect(a.scale.length).toBe(128);
    const numbers = await native.randomNormalBf16(100, 1n, 1);
    expect(await native.randomNormalBf16(50, 1n, 1)).toEqual(numbers.slice(0, 50));
    expect(await native.randomNormalBf16(50, 2n, 1)).not.toEqual(numbers.slice(0, 50));
    await expect(native.makeProjection({ ...request, columns: 40 })).rejects.toMatchObject({
      code: 'unsupported-shape',
    });
    await expect(native.makeProjection({ ...request, sigma: 0 })).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('environments', () => {
  it('a worker thread loads its own copy and may end while work is under way', async () => {
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      const native = require(workerData);
      native.makeProjection({ rows: 512, columns: 512, seed: 1n, sigma: 0.1, scales: 'realistic' });
      native.randomNormalBf16(8, 1n, 1).then((x) => parentPort.postMessage([...x]));`;
    const worker = new Worker(source, { eval: true, workerData: addonPath });
    const got = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    expect(got).toEqual([...(await native.randomNormalBf16(8, 1n, 1))]);
  });
});
