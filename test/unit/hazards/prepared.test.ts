/** H5 and H6: prepared parameters of a source against what the contract makes of its checkpoint tensors. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Contract } from '../../../electron/contract/layer';
import { Checkpoint } from '../../../electron/engine/checkpoint/checkpoint';
import { sourceHazards } from '../../../electron/engine/hazards/report';
import { type LoadedLayer, loadLayer, summarizeLayer } from '../../../electron/engine/layer/load-layer';
import type { NativeTensor, PreparedLayer } from '../../../electron/engine/native/binding';
import { loadBinding } from '../../../electron/engine/native/load';
import type { SourceTensor } from '../../../electron/engine/run/source';
import { layerTensor, setOfParameter } from '../../../electron/engine/tensors/layer-tensors';
import { makeTiny, type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';
import { cli } from '../../fixtures/cli';
import { only } from './look';

let folder: TemporaryFolder;
let checkpoint: Checkpoint;
let layer: LoadedLayer;
beforeAll(async () => {
  folder = await temporaryFolder();
  checkpoint = await Checkpoint.open(await makeTiny(join(folder.path, 'layer')));
  layer = await loadLayer(checkpoint, 0, loadBinding());
});
afterAll(async () => {
  await checkpoint.close();
  await folder.dispose();
});

const prepare = (contract: Contract) => loadBinding().prepareLayer(layer.native, { contract, threshold: 64 });

/** A tensor with other bytes, as a wrong loader would leave it. */
function changed(tensor: NativeTensor, change: (bytes: Uint8Array) => void): NativeTensor {
  const { name, dtype, shape, layout, bytes } = tensor.info();
  const copy = tensor.read(0, bytes).slice();
  change(copy);
  return loadBinding().tensorFromBytes(copy, { name, dtype, shape, layout });
}

async function lookAt(prepared: PreparedLayer, change: Record<string, (tensor: NativeTensor) => NativeTensor> = {}) {
  const tensors: SourceTensor[] = [
    ...layer.native.tensors().map((tensor) => layerTensor('checkpoint', tensor)),
    ...prepared.tensors().map((tensor) => {
      const { name } = tensor.info();
      return layerTensor(setOfParameter(name), change[name]?.(tensor) ?? tensor);
    }),
  ];
  const { shape } = layer.plan;
  const { contract } = prepared;
  const source = { shape, contract, layerTensors: async () => tensors, mergeFacts: async () => null };
  const summary = summarizeLayer(layer, prepared);
  const report = await sourceHazards(loadBinding(), source, { summary, meantActivations: true, rules: null });
  return { ...report, findings: report.findings.filter(({ id }) => /^H[56]/.test(id)) };
}

const scaled = (factor: number) => (tensor: NativeTensor) =>
  changed(tensor, (bytes) => {
    const values = new Float32Array(bytes.buffer);
    for (let i = 0; i < values.length; i++) values[i]! *= factor;
  });

/** Rows [up, gate] of every expert exchanged; I is 128, so the halves are whole 128-row tiles. */
const swapped = (tensor: NativeTensor) =>
  changed(tensor, (bytes) => {
    const half = bytes.length / 8 / 2;
    for (let at = 0; at < bytes.length; at += 2 * half) {
      const up = bytes.slice(at, at + half);
      bytes.copyWithin(at, at + half, at + 2 * half);
      bytes.set(up, at + half);
    }
  });

test.each(['unit-alpha', 'activation-alpha', 'clean'] as const)(
  '%s as the loader prepares it: nothing',
  async (contract) => {
    const report = await lookAt(await prepare(contract));
    expect(report.findings).toEqual([]);
    const outcomes = new Map(report.checks.map(({ id, outcome }) => [id, outcome]));
    expect(outcomes.get('H5-double-multiplication')).toBe('clear');
    expect(outcomes.get('H6-gate-up-order')).toBe('clear');
  },
);

test('g_alphas that took the input scale twice', async () => {
  const prepared = await prepare('unit-alpha');
  const report = await lookAt(prepared, { w13_cutlass_g_alphas: scaled(layer.report.a1!) });
  const found = only(report, 'H5-double-multiplication');
  expect(found).toMatchObject({ severity: 'error', tensor: 'cutlass/w13_cutlass_g_alphas' });
  expect(found.experts).toHaveLength(8);
  expect(found.measured.ratio).toBeCloseTo(layer.report.a1!, 6);
});

test('an alpha that took weight_scale_2 although the block scales have it', async () => {
  const prepared = await prepare('activation-alpha');
  const s2 = layer.native.tensors().find((tensor) => tensor.info().name === 'w2_weight_scale_2')!;
  const report = await lookAt(prepared, {
    w2_weight_scale_2: (tensor) =>
      changed(tensor, (bytes) => {
        const values = new Float32Array(bytes.buffer);
        for (let expert = 0; expert < 8; expert++) values[expert]! *= s2.pick(expert, 0, 0).value;
      }),
  });
  expect(only(report, 'H5-double-multiplication').explanation).toMatch(/weight_scale_2 was multiplied in twice/);
});

test.each(['unit-alpha', 'clean'] as const)(
  'gate and up exchanged in the scales of either path, %s',
  async (contract) => {
    const prepared = await prepare(contract);
    for (const name of ['w13_weight_scale', 'w13_cutlass_weight_scale']) {
      const found = only(await lookAt(prepared, { [name]: swapped }), 'H6-gate-up-order');
      expect(found.measured.fitsSwapped).toBe(1);
      expect(found.tensor).toBe(`${name.includes('cutlass') ? 'cutlass' : 'b12x'}/${name}`);
    }
  },
);

test('inspect: findings and tensors as JSON, exit code 1 at an error, 0 without', async () => {
  const bad = await cli(['inspect', checkpoint.summary.path, '--layer', 'all', '--json']);
  expect(bad.code).toBe(1);
  expect(Array.isArray(bad.json?.tensors)).toBe(true);
  const findings = bad.json?.findings as Record<string, unknown>[];
  expect(findings.map(({ id }) => id)).toContain('H1-baked-block-scales');
  for (const key of ['id', 'severity', 'layer', 'tensor', 'experts', 'measured', 'explanation', 'reference', 'remedy'])
    expect(findings[0]).toHaveProperty(key);
  const exact = await makeTiny(join(folder.path, 'exact'), { scales: 'power-of-two', layers: 2 });
  const good = await cli(['inspect', exact, '--layer', 'all', '--json']);
  expect(good).toMatchObject({ code: 0, json: { findings: [] } });
  expect(good.json?.tensors).toHaveLength(6);
  expect((await cli(['inspect', exact, '--layer', '1'])).out).toMatch(/Hazards: 0 errors, 0 warnings, 0 remarks/);
  expect((await cli(['inspect', exact, '--layer', 'some'])).code).toBe(2);
});

test('inspect of a recorded session looks at its recorded scale tensors', async () => {
  const session = new URL('../../fixtures/sessions/format-1.moesession', import.meta.url).pathname;
  const found = await cli(['inspect', session, '--json']);
  expect(found.code).toBe(1);
  const findings = found.json?.findings as { id: string }[];
  expect(new Set(findings.map(({ id }) => id))).toEqual(new Set(['H1-baked-block-scales']));
  // Recorded without weights: what needs codes says so, and is not found.
  const checks = found.json?.checks as { id: string; outcome: string }[];
  for (const id of ['lost-blocks', 'zero-blocks', 'unrounded-packing'])
    expect(checks.find((check) => check.id === id)?.outcome).toBe('not-checked');
  const text = await cli(['inspect', session]);
  expect(text.out).toMatch(/Hazards: 3 errors/);
});

test('a recording without weights whose scales are 0 and 2^-9: nothing that only codes could tell', async () => {
  const scales = layer.native.tensors().find((tensor) => tensor.info().name === 'w2_weight_scale')!;
  const planted = changed(scales, (bytes) => bytes.fill(1, 0, 200).fill(0, 200, 300));
  const tensors = layer.native
    .tensors()
    .filter((tensor) => !tensor.info().name.endsWith('_weight'))
    .map((tensor) => layerTensor('checkpoint', tensor.info().name === 'w2_weight_scale' ? planted : tensor));
  const { shape } = layer.plan;
  const source = {
    ...{ shape, contract: 'clean' as const },
    layerTensors: async () => tensors,
    mergeFacts: async () => null,
  };
  const summary = summarizeLayer(layer, await prepare('clean'));
  const { findings } = await sourceHazards(loadBinding(), source, { summary, meantActivations: true, rules: null });
  expect(findings.map(({ id, measured }) => [id, measured.subnormal])).toEqual([['stored-subnormal-scales', 200]]);
});
