import { describe, expect, it } from 'vitest';
import { stepsOf } from '../../../electron/engine/analysis/causes';
import { worstElements } from '../../../electron/engine/analysis/diff';
import { activationScale } from '../../../electron/engine/analysis/stage-tensors';

describe('worst elements', () => {
  const ids = Int32Array.of(4, 7, 1, 0, 3, 2);
  const worst = [{ index: 3 * 10 + 4, a: 1, b: 2 }];

  it('of a stage with a row a routed pair name token, slot and expert', () => {
    expect(worstElements(worst, 10, 6, { ids, tokens: 3, topK: 2 })).toEqual([
      { row: 3, column: 4, token: 1, slot: 1, expert: 0, a: 1, b: 2 },
    ]);
  });

  it('of a stage with a row a token name the token only', () => {
    expect(
      worstElements(worst, 10, 6, { ids: Int32Array.of(0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5), tokens: 6, topK: 2 }),
    ).toMatchObject([{ token: 3, slot: -1, expert: -1 }]);
    expect(worstElements(worst, 10, 6, { ids, tokens: 6, topK: 1 })).toMatchObject([{ token: 3, slot: -1 }]);
  });
});

describe('scales of quantized activations', () => {
  it('are those of the contract', () => {
    const scales = (['unit-alpha', 'activation-alpha', 'clean'] as const).map((contract) => [
      activationScale(contract, 'b12x', 0.5),
      activationScale(contract, 'cutlass', 0.5),
    ]);
    expect(scales).toEqual([
      [1, 0.5],
      [0.5, 0.5],
      [0.5, 0.5],
    ]);
    expect(activationScale('clean', 'b12x', null)).toBe(1);
  });
});

describe('steps that a contract takes', () => {
  it('are the published ones', () => {
    expect(stepsOf('unit-alpha')).toEqual(['baked-block-scales', 'unit-activation-scale']);
    expect(stepsOf('activation-alpha')).toEqual(['baked-block-scales']);
    expect(stepsOf('clean')).toEqual([]);
  });
});
