/** Attribution adds up, and a fixed part of the fault-injection study (docs/fault-injection.md is the whole). */
import { describe, expect, it } from 'vitest';
import { causeIds } from '../../electron/contract/explanation';
import { type ExplainContext, explain } from '../../electron/engine/analysis/explain';
import type { ModelledPath } from '../../electron/engine/native/explain-binding';
import { loadBinding } from '../../electron/engine/native/load';
import { randomCase, shapes } from '../../scripts/faults/layers.mjs';
import { diagnosed, plantedCase } from '../../scripts/faults/plant.mjs';
import { randomNumbers } from '../../scripts/faults/random.mjs';

const binding = loadBinding();
type ShapeName = keyof typeof shapes;

const b12x: ModelledPath = { path: 'b12x', kernel: 'static', tileM: 64, tileN: 128 };
const cutlass: ModelledPath = { path: 'cutlass', kernel: 'cutlass', tileM: 128, tileN: 128 };
const decide = (_: number, force: 'b12x' | 'cutlass') =>
  (force === 'b12x' ? b12x : cutlass) as unknown as ReturnType<ExplainContext['decide']>;

it('has one list of causes: what the contract names is what the addon knows', () => {
  expect(binding.causes()).toEqual(causeIds);
});

describe('attribution of b12x against CUTLASS', () => {
  it.each(['unit-alpha', 'activation-alpha', 'clean'] as const)(
    '%s: shares, interaction and rest are the whole',
    async (contract) => {
      for (const name of Object.keys(shapes) as ShapeName[]) {
        const { checkpoint, batch } = await randomCase(binding, shapes[name], 24, randomNumbers(7));
        const context = { binding, checkpoint, contract, decide };
        const result = await explain(context, { a: { path: 'b12x' }, b: { path: 'cutlass' } }, batch);
        const shares = result.causes.reduce((sum, { share }) => sum + share, 0);
        expect(shares + result.interaction + result.rest).toBeCloseTo(1, 12);
        const ids = result.causes.map(({ id }) => id);
        expect(ids.includes('sf-underflow')).toBe(contract !== 'clean');
        expect(ids.includes('unit-activation-scale')).toBe(contract === 'unit-alpha');
        expect(result.rest).toBeLessThan(0.01); // what is left: the last bit of s2 / (1 / a) against s2 * a
        for (const { interval, share, nrmseAlone } of result.causes) {
          expect(interval[0]).toBeLessThanOrEqual(share);
          expect(interval[1]).toBeGreaterThanOrEqual(share);
          expect(nrmseAlone).toBeGreaterThanOrEqual(0);
        }
        const steps = ['sf-rerounding', 'sf-underflow', 'unit-activation-scale'];
        if (contract !== 'clean') expect(steps).toContain(ids[0]);
      }
    },
  );

  it('is what the provider gives', async () => {
    const { checkpoint, batch } = await randomCase(binding, shapes.qwen, 24, randomNumbers(3));
    const prepared = await binding.prepareLayer(checkpoint, { contract: 'unit-alpha', threshold: 1 });
    const layer = await binding.openProvider('cpu').createLayer({ checkpoint, prepared, contract: 'unit-alpha' });
    const run = { ...batch, taps: [], deterministic: true, seed: 0 };
    const a = (await layer.run({ ...run, ...b12x })).tensors.y!;
    const b = (await layer.run({ ...run, ...cutlass })).tensors.y!;
    const { nrmse } = await binding.compare(a, b, { rtol: 0, atol: 0, worst: 0 });
    const context = { binding, checkpoint, contract: 'unit-alpha' as const, decide };
    const model = await explain(context, { a: { path: 'b12x' }, b: { path: 'cutlass' } }, batch);
    expect(model.total.nrmse).toBeCloseTo(nrmse, 12);
    const sides = {
      a: { path: 'b12x' as const, tensors: { y: a } },
      b: { path: 'cutlass' as const, tensors: { y: b } },
    };
    const observed = await explain(context, sides, batch);
    expect(observed.causes).toEqual(model.causes);
    expect(observed.diagnosis?.deviations).toEqual([]);
    layer.destroy();
  });

  it('finds nothing between a path and itself', async () => {
    const { checkpoint, batch } = await randomCase(binding, shapes.qwen, 16, randomNumbers(5));
    const context = { binding, checkpoint, contract: 'unit-alpha' as const, decide };
    const result = await explain(context, { a: { path: 'b12x' }, b: { path: 'b12x' } }, batch);
    expect(result).toMatchObject({ causes: [], interaction: 0, rest: 0, total: { energy: 0, nrmse: 0 } });
  });
});

describe('diagnosis of planted causes', () => {
  const seed = (kind: number, number: number) => 90_001 + kind * 1000 + number;
  const names = Object.keys(shapes) as ShapeName[];

  it.each(causeIds.map((cause, i) => ({ cause, i })))('$cause alone', async ({ cause, i }) => {
    const shape = cause === 'gate-up-order' ? 'qwen' : names[i % names.length]!;
    const made = await plantedCase(binding, shapes[shape], [cause], randomNumbers(seed(1, i)));
    const { named } = await diagnosed(binding, made!, 'taps', 11);
    expect(named).toEqual([cause]);
  });

  it.each([
    ['sf-underflow', 'gate-up-order'],
    ['unit-activation-scale', 'router-weight-rounding'],
    ['accumulation-order', 'reciprocal-approximation'],
    ['wrong-layout', 'double-multiplication'],
  ] as const)('%s and %s together', async (...causes) => {
    const made = await plantedCase(binding, shapes.qwen, [...causes], randomNumbers(seed(2, causes[0].length)));
    const { named } = await diagnosed(binding, made!, 'taps', 11);
    expect([...named].sort()).toEqual([...causes].sort());
  });

  it('refuses stages of another batch', async () => {
    const made = await plantedCase(binding, shapes.qwen, [], randomNumbers(4));
    const other = await plantedCase(binding, shapes.partial, [], randomNumbers(4));
    const mixed = { request: made!.request, tensors: { ...made!.tensors, fc1: other!.tensors.fc1 } };
    await expect(diagnosed(binding, mixed, 'taps', 1)).rejects.toMatchObject({
      code: 'wrong-shape',
      details: { subject: 'fc1' },
    });
  });

  it('names nothing on clean layers that add in another order', async () => {
    for (let i = 0; i < 12; i++) {
      const made = await plantedCase(binding, shapes[names[i % 3]!], [], randomNumbers(seed(3, i)));
      const { named } = await diagnosed(binding, made!, 'taps', 11 + i);
      expect(named).toEqual([]);
    }
  });
});
