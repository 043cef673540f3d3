import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { Checkpoint } from '../../../electron/engine/checkpoint/checkpoint';
import { loadRules } from '../../../electron/engine/dispatch/rules';
import { type LoadedLayer, loadLayer } from '../../../electron/engine/layer/load-layer';
import { Wrapper } from '../../../electron/engine/layer/wrapper';
import { loadBinding } from '../../../electron/engine/native/load';
import { makeTiny, type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';

const binding = loadBinding();
const rules = loadRules(undefined, {});
let folder: TemporaryFolder;
let layer: LoadedLayer;
beforeAll(async () => {
  folder = await temporaryFolder();
  const checkpoint = await Checkpoint.open(await makeTiny(join(folder.path, 'tiny')));
  layer = await loadLayer(checkpoint, 0, binding);
});
afterAll(() => folder.dispose());

const threshold = (tokens: number) => ({ tokens, origin: { kind: 'argument', where: 'test' } as const });
const make = (tokens: number) =>
  new Wrapper({
    binding,
    provider: binding.openProvider('cpu'),
    layer,
    contract: 'unit-alpha',
    threshold: threshold(tokens),
    rules,
  });

async function batch(tokens: number) {
  const x = await binding.randomNormalBf16(tokens * 256, 3n, 1);
  return {
    tokens,
    x,
    topkIds: Int32Array.from({ length: tokens * 2 }, (_, i) => i % 8),
    topkWeights: new Float32Array(tokens * 2).fill(0.5),
  };
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'fine';
  } catch (thrown) {
    return AppError.from(thrown).code;
  }
}

describe('wrapper', () => {
  it('registers CUTLASS once, at first use, and only with a threshold above 0', async () => {
    const hybrid = make(4);
    expect(hybrid.registrations).toBe(0);
    await Promise.all([hybrid.ensure(), hybrid.ensure()]);
    await hybrid.run(await batch(8));
    expect(hybrid.registrations).toBe(1);
    expect(() => hybrid.registerCutlass()).toThrow(/registered already/);
    const pure = make(0);
    await pure.run(await batch(8));
    expect(pure.registrations).toBe(0);
    await Promise.all([hybrid.destroy(), pure.destroy()]);
  });

  it.each([
    [3, 'b12x'],
    [4, 'cutlass'],
    [5, 'cutlass'],
  ])('%d tokens at threshold 4 take %s', async (tokens, path) => {
    const wrapper = make(4);
    const { decision, result } = await wrapper.run(await batch(tokens));
    expect(decision.path).toBe(path);
    expect(decision.steps[0]).toMatchObject({ value: tokens, comparison: '>=', limit: 4, origin: { where: 'test' } });
    expect(result.tensors.y!.info()).toMatchObject({ dtype: 'BF16', shape: [tokens, 256] });
    await wrapper.destroy();
  });

  it('CUTLASS without its sets says so, also when forced', async () => {
    const wrapper = make(0);
    const input = await batch(2);
    expect(await codeOf(() => wrapper.run(input, { force: 'cutlass' }))).toBe('unsupported');
    expect(await codeOf(() => wrapper.moveThreshold(threshold(4)))).toBe('wrong-state');
    await wrapper.destroy();
  });

  it('the threshold of a layer with both sets moves freely, also to 0', async () => {
    const wrapper = make(4);
    await wrapper.ensure();
    await wrapper.moveThreshold(threshold(64));
    expect(wrapper.decide(63).path).toBe('b12x');
    expect(wrapper.decide(64).path).toBe('cutlass');
    await wrapper.moveThreshold(threshold(0));
    expect(wrapper.decide(4096).path).toBe('b12x');
    expect(wrapper.registrations).toBe(1);
    await wrapper.destroy();
  });

  it('a destroyed wrapper refuses', async () => {
    const wrapper = make(0);
    await wrapper.destroy();
    const input = await batch(1);
    expect(await codeOf(() => wrapper.run(input))).toBe('wrong-state');
  });

  it('a forced path skips the gate and says so', async () => {
    const decision = make(4).decide(100, 'b12x');
    expect(decision.path).toBe('b12x');
    expect(decision.steps[0]).toMatchObject({ name: 'forced path' });
  });
});
