/** `prepare` is byte for byte what the contracts say, on every shared checkpoint, in memory and as a file. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Contract, contracts } from '../../electron/contract/layer';
import type { CheckpointLayer } from '../../electron/engine/native/binding';
import { loadBinding } from '../../electron/engine/native/load';
import {
  assembleSpec,
  checkpoints,
  expectedParameters,
  nearestE4m3,
  rawLayer,
  readSafetensors,
  sharedCheckpoints,
} from './native-a-expected';

const native = loadBinding();
const shared = sharedCheckpoints();
const folder = mkdtempSync(join(tmpdir(), 'moescope-prepare-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function assembled(name: string): Promise<CheckpointLayer> {
  const layer = rawLayer(shared!, name);
  const file = await native.mapFile(layer.path);
  return native.assembleLayer(assembleSpec(layer, file));
}

/** W4A16 has no activation scales: clean, and the later hybrid, refuse it. */
const refused = (name: string, contract: Contract, threshold: number) =>
  name.includes('w4a16') && (contract === 'clean' || (contract === 'activation-alpha' && threshold > 0));

describe.runIf(shared)('prepared parameters', () => {
  const cases = checkpoints.flatMap((name) =>
    contracts.flatMap((contract) => [0, 128].map((threshold) => ({ name, contract, threshold }))),
  );

  it.each(cases)('$name, $contract, threshold $threshold', async ({ name, contract, threshold }) => {
    const checkpoint = await assembled(name);
    if (refused(name, contract, threshold)) {
      await expect(native.prepareLayer(checkpoint, { contract, threshold })).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining('w13_input_scale'),
      });
      return;
    }
    const prepared = await native.prepareLayer(checkpoint, { contract, threshold });
    const expected = expectedParameters(rawLayer(shared!, name), contract, threshold);
    const path = join(folder, `${name}-${contract}-${threshold}.safetensors`);
    await prepared.writeSafetensors(path);
    const written = readSafetensors(path);
    expect([...written.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const tensor of prepared.tensors()) {
      const info = tensor.info();
      const bytes = expected.get(info.name)!;
      expect(Buffer.compare(tensor.read(0, info.bytes), bytes), `${info.name} in memory`).toBe(0);
      const file = written.get(info.name)!;
      expect({ dtype: file.dtype, shape: file.shape }).toEqual({ dtype: info.dtype, shape: info.shape });
      expect(Buffer.compare(file.bytes, bytes), `${info.name} in the file`).toBe(0);
    }
  });

  it('shapes and dtypes are the published ones', async () => {
    const prepared = await native.prepareLayer(await assembled('modelopt-qwen3moe-tiny'), {
      contract: 'unit-alpha',
      threshold: 128,
    });
    const shapes = Object.fromEntries(
      prepared.tensors().map((t) => [t.info().name, [t.info().dtype, ...t.info().shape]]),
    );
    expect(shapes).toEqual({
      w13_weight: ['U8', 8, 256, 128],
      w2_weight: ['U8', 8, 256, 64],
      w13_weight_scale: ['F8_E4M3', 8, 256, 16],
      w2_weight_scale: ['F8_E4M3', 8, 256, 8],
      w13_weight_scale_2: ['F32', 8],
      w2_weight_scale_2: ['F32', 8],
      a1_gscale: ['F32', 8],
      a2_gscale: ['F32', 8],
      w13_cutlass_weight_scale: ['F8_E4M3', 8, 256, 16],
      w2_cutlass_weight_scale: ['F8_E4M3', 8, 256, 8],
      w13_cutlass_a_gscale: ['F32', 8],
      w2_cutlass_a_gscale: ['F32', 8],
      w13_cutlass_g_alphas: ['F32', 8],
      w2_cutlass_g_alphas: ['F32', 8],
    });
    expect(prepared.byteSets()).toEqual({
      fp4: 8 * 256 * 128 + 8 * 256 * 64,
      b12xScales: 8 * 256 * 16 + 8 * 256 * 8,
      cutlassScales: 8 * 256 * 16 + 8 * 256 * 8,
      multipliers: 8 * 8 * 4,
    });
    expect(prepared.views().map((view) => view.info())).toMatchObject([
      { name: 'w1_sf_mma', layout: 'mma6d', shape: [32, 4, 2, 4, 4, 8] },
      { name: 'w2_sf_mma', layout: 'mma6d', shape: [32, 4, 2, 4, 2, 8] },
    ]);
  });

  it('rearranging moves the rows of every parameter; a parameter left out stays', async () => {
    const prepared = await native.prepareLayer(await assembled('ct-qwen3moe-tiny'), {
      contract: 'unit-alpha',
      threshold: 64,
    });
    const permutation = Int32Array.of(5, 2, 7, 0, 1, 6, 3, 4);
    const moved = await prepared.rearrange(permutation, ['w2_cutlass_g_alphas']);
    const after = new Map(moved.tensors().map((tensor) => [tensor.info().name, tensor]));
    for (const tensor of prepared.tensors()) {
      const before = await tensor.planeHashes();
      const { name } = tensor.info();
      const expected = name === 'w2_cutlass_g_alphas' ? before : Array.from(permutation, (from) => before[from]);
      expect(await after.get(name)!.planeHashes(), name).toEqual(expected);
    }
  });

  it('a folder that is not there, and a failure, leave nothing behind', async () => {
    const prepared = await native.prepareLayer(await assembled('modelopt-nemotronh-tiny'), {
      contract: 'clean',
      threshold: 0,
    });
    await expect(prepared.writeSafetensors(join(folder, 'absent', 'x.safetensors'))).rejects.toMatchObject({
      code: 'file-not-found',
    });
    const cancel = native.createCancelFlag();
    cancel.cancel();
    await expect(prepared.writeSafetensors(join(folder, 'x.safetensors'), { cancel })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(readdirSync(folder).filter((name) => name.startsWith('.') || name.startsWith('x'))).toEqual([]);
  });
});

describe('the judge of these tests', () => {
  it('rounds to E4M3 as the addon does, at every midpoint and beside it', () => {
    for (let code = 0; code < 0x7e; code++) {
      const middle = (native.e4m3ToFloat(code) + native.e4m3ToFloat(code + 1)) / 2;
      for (const value of [middle, middle * (1 - 1e-12), middle * (1 + 1e-12)])
        expect(native.floatToE4m3(value)).toBe(nearestE4m3(value));
    }
  });
});
