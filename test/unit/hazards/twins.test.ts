/** One layer as ModelOpt and as compressed-tensors write it: the same findings, number for number. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  changeBytes,
  changeTensors,
  damaged,
  makeTiny,
  type TemporaryFolder,
  temporaryFolder,
} from '../../fixtures/checkpoints/tiny';
import { makeReciprocal, writeTwin } from '../../fixtures/checkpoints/twin';
import { look, named } from './look';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

const expert = (index: number, projection: string) => `model.layers.0.mlp.experts.${index}.${projection}_proj`;

async function expectSame(modelopt: string, twin: string) {
  for (const contract of ['unit-alpha', 'activation-alpha', 'clean'] as const) {
    for (const merge of ['max', 'column-0'] as const) {
      const a = await look(modelopt, contract, merge);
      const b = await look(twin, contract, merge);
      expect(b.findings).toEqual(a.findings);
      expect(b.checks).toEqual(a.checks);
      expect(b.tensors.map(({ subnormal, lost, zeroBlocks }) => [subnormal, lost, zeroBlocks])).toEqual(
        a.tensors.map(({ subnormal, lost, zeroBlocks }) => [subnormal, lost, zeroBlocks]),
      );
    }
  }
}

test.each(['realistic', 'power-of-two'] as const)('a layer with %s scales', async (scales) => {
  const modelopt = await makeTiny(join(folder.path, scales), { scales });
  await makeReciprocal(modelopt);
  const twin = await writeTwin(modelopt, join(folder.path, `${scales}-twin`));
  await expectSame(modelopt, twin);
  expect(named(await look(twin)).some((name) => name.includes('H1'))).toBe(scales === 'realistic');
});

test('a layer with everything at once: blocks without weights, differing gate and up, input scales by expert, tiny activations', async () => {
  const base = await makeTiny(join(folder.path, 'base'));
  const modelopt = await damaged(base, join(folder.path, 'odd'), async (copy) => {
    const float = (name: string, change: (value: number) => number) =>
      changeBytes(copy, name, (bytes) => bytes.writeFloatLE(change(bytes.readFloatLE())));
    await float(`${expert(1, 'up')}.weight_scale_2`, (value) => value * 0.7);
    await float(`${expert(2, 'down')}.input_scale`, (value) => value / 9);
    await float(`${expert(3, 'down')}.input_scale`, () => 1e-6);
    await changeBytes(copy, `${expert(4, 'down')}.weight`, (bytes) => bytes.fill(0x80, 0, 40));
    // ModelOpt's byte for a block without weights is 1.0.
    await changeBytes(copy, `${expert(4, 'down')}.weight_scale`, (bytes) => bytes.fill(0x38, 0, 5));
  });
  await makeReciprocal(modelopt);
  const twin = await writeTwin(modelopt, join(folder.path, 'odd-twin'));
  await expectSame(modelopt, twin);
  const names = named(await look(twin));
  expect(names).toContain('info zero-blocks down');
  expect(names).toContain('warning gate-up-scales-differ');
  expect(names).toContain('warning input-scales-differ down');
  expect(names).toContain('error H7-unit-activation-scale');
});

test('reciprocals stored under the wrong name: H4 in both, with the same numbers', async () => {
  const base = await makeTiny(join(folder.path, 'right'));
  const modelopt = await damaged(base, join(folder.path, 'wrong'), (copy) =>
    changeTensors(copy, (tensor) =>
      tensor.name.endsWith('weight_scale_2') || tensor.name.endsWith('input_scale')
        ? { ...tensor, bytes: new Uint8Array(Float32Array.of(4096).buffer) }
        : tensor,
    ),
  );
  const twin = await writeTwin(modelopt, join(folder.path, 'wrong-twin'));
  const a = await look(modelopt);
  expect(named(a)).toEqual([
    'error H4-reciprocal-scale gate',
    'error H4-reciprocal-scale gate',
    'error H4-reciprocal-scale up',
    'error H4-reciprocal-scale up',
    'error H4-reciprocal-scale down',
    'error H4-reciprocal-scale down',
  ]);
  expect(a.findings[0]!.experts).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect((await look(twin)).findings).toEqual(a.findings);
});
