/** H1 against a count made from the file's bytes alone, and its absence where baking is exact. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkpointPath, haveShared, sharedNames } from '../../fixtures/checkpoints/shared';
import { makeTiny, readTensors, type TemporaryFolder, temporaryFolder, weights } from '../../fixtures/checkpoints/tiny';
import { e4m3, look, named, nearestE4m3, only } from './look';

let folder: TemporaryFolder;
let realistic = '';
beforeAll(async () => {
  folder = await temporaryFolder();
  realistic = await makeTiny(join(folder.path, 'realistic'));
});
afterAll(() => folder.dispose());

/** Of one projection over all experts: live scales and what e4m3(SF * s2) makes of them, from the file. */
async function count(path: string, projection: string, large: boolean) {
  const tensors = new Map((await readTensors(join(path, weights))).map((tensor) => [tensor.name, tensor.bytes]));
  const sum = { live: 0, subnormal: 0, zero: 0, relative: 0, worst: 0, energy: 0, error: 0 };
  for (let expert = 0; expert < 8; expert++) {
    const prefix = `model.layers.0.mlp.experts.${expert}.${projection}_proj`;
    const scales = tensors.get(`${prefix}.weight_scale`)!;
    const packed = tensors.get(large ? `${prefix}.weight_packed` : `${prefix}.weight`)!;
    const stored = tensors.get(large ? `${prefix}.weight_global_scale` : `${prefix}.weight_scale_2`)!;
    const scalar = new DataView(stored.buffer, stored.byteOffset, 4).getFloat32(0, true);
    const s2 = large ? Math.fround(1 / scalar) : scalar;
    for (const [block, byte] of scales.entries()) {
      let energy = 0;
      for (const pair of packed.subarray(block * 8, block * 8 + 8))
        for (const code of [pair & 15, pair >> 4]) energy += [0, 0.5, 1, 1.5, 2, 3, 4, 6][code & 7]! ** 2;
      if (energy === 0 || byte === 0) continue;
      const exact = e4m3(byte) * s2;
      const baked = e4m3(nearestE4m3(Math.fround(exact)));
      sum.live++;
      if (baked === 0) sum.zero++;
      else if (baked < 2 ** -6) sum.subnormal++;
      const relative = Math.abs(baked / exact - 1);
      sum.relative += relative;
      sum.worst = Math.max(sum.worst, relative);
      sum.energy += energy * exact ** 2;
      sum.error += energy * (baked - exact) ** 2;
    }
  }
  return sum;
}

async function expectCounted(path: string, large = false) {
  const report = await look(path);
  for (const projection of ['gate', 'up', 'down'] as const) {
    const { measured, severity } = report.findings.find(
      (one) => one.id === 'H1-baked-block-scales' && one.projection === projection && one.layer === 0,
    )!;
    const counted = await count(path, projection, large);
    expect(severity).toBe('error');
    expect(measured.liveScales).toBe(counted.live);
    expect(measured.subnormal).toBe(counted.subnormal);
    expect(measured.zero).toBe(counted.zero);
    expect(measured.subnormalShare).toBe(counted.subnormal / counted.live);
    expect(measured.zeroShare).toBe(counted.zero / counted.live);
    expect(measured.meanRelativeError).toBeCloseTo(counted.relative / counted.live, 12);
    expect(measured.worstRelativeError).toBeCloseTo(counted.worst, 12);
    expect(measured.weightRelL2).toBeCloseTo(Math.sqrt(counted.error / counted.energy), 10);
  }
}

describe('H1, block scales with weight_scale_2 baked in', () => {
  test('a checkpoint with realistic scales: shares and errors of an independent count', async () => {
    await expectCounted(realistic);
  });

  test('the same with zeros among the baked scales', async () => {
    const { changeBytes, damaged } = await import('../../fixtures/checkpoints/tiny');
    const path = await damaged(realistic, join(folder.path, 'small-s2'), async (copy) => {
      for (const projection of ['gate', 'up', 'down'])
        for (let expert = 0; expert < 8; expert++)
          await changeBytes(copy, `model.layers.0.mlp.experts.${expert}.${projection}_proj.weight_scale_2`, (bytes) =>
            bytes.writeFloatLE(bytes.readFloatLE() / 16),
          );
    });
    await expectCounted(path);
    expect(only(await look(path), 'H1-baked-block-scales', 'down').measured.zero).toBeGreaterThan(0);
  });

  test('contract clean keeps the scales: no H1', async () => {
    expect(named(await look(realistic, 'clean')).filter((name) => name.includes('H1'))).toEqual([]);
  });

  test.each(['tiny', 'tiny-nemotron'])('powers of two are exact: nothing is found on %s', async (shape) => {
    const path = await makeTiny(join(folder.path, `exact-${shape}`), { shape, scales: 'power-of-two' });
    expect(named(await look(path, 'unit-alpha'))).toEqual([]);
    // The contracts that scale activations: their own remarks, no damage to a weight.
    const kept = ['warning H2-alpha-dual-role', 'warning H3-direct-micro-multiplier'];
    expect(named(await look(path, 'activation-alpha'))).toEqual(kept);
    expect(named(await look(path, 'clean'))).toEqual(kept.slice(1));
  });

  test.runIf(haveShared)(
    'exports of ModelOpt and llmcompressor: independent count, and H1 as the only error',
    async () => {
      await expectCounted(checkpointPath('modelopt-qwen3moe-tiny'));
      await expectCounted(checkpointPath('ct-qwen3moe-tiny'), true);
      for (const name of sharedNames) {
        const { findings } = await look(checkpointPath(name));
        const errors = findings.filter(({ severity }) => severity === 'error').map(({ id }) => id);
        expect(new Set(errors)).toEqual(new Set(['H1-baked-block-scales']));
      }
    },
  );
});
