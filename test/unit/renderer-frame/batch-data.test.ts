import { describe, expect, it } from 'vitest';
import { decidingSteps } from '../../../electron/contract/deciding-steps';
import { matrixGrid } from '../../../renderer/panels/batch/matrix-grid';
import { paddingSummary } from '../../../renderer/panels/batch/padding';
import { stageTable } from '../../../renderer/panels/batch/stage-table';
import { stepText } from '../../../renderer/panels/batch/step-text';
import { decide } from '../../fixtures/window/fake-data';

describe('the steps that decided', () => {
  it('are the gate and the rung of the ladder, never the tile after it', () => {
    const { path, kernel } = decidingSteps(decide(63, 64));
    expect([path?.name, kernel?.name]).toEqual(['prefill', 'static pairs']);
    expect(stepText(path!)).toBe('63 >= 64 tokens: no');
  });

  it('are one step for CUTLASS', () => {
    const { path, kernel } = decidingSteps(decide(64, 64));
    expect(path?.name).toBe('prefill');
    expect(kernel).toBe(path);
  });

  it('are found where the rules write the kernel in words', () => {
    const decision = decide(1, 64);
    const steps = decision.steps.map((step) => ({
      ...step,
      leads: step.leads.replace('direct-micro', 'direct micro'),
    }));
    expect(decidingSteps({ ...decision, steps }).kernel?.name).toBe('direct-micro pairs');
  });

  it('may lead by not holding', () => {
    const decision = decide(11, 0);
    const steps = decision.steps.map((step) => (step.leads === 'static' ? { ...step, outcome: false } : step));
    expect(decidingSteps({ ...decision, steps }).kernel?.name).toBe('static pairs');
  });

  it('are none for an empty chain', () =>
    expect(decidingSteps({ ...decide(1, 0), steps: [] })).toEqual({ path: null, kernel: null }));
});

describe('the routing matrix', () => {
  const ids = Int32Array.from([0, 2, 1, 3]);
  const weights = Float32Array.from([0.75, 0.25, 0.5, 0]);

  it('has a cell for each token and expert where they fit', () => {
    const grid = matrixGrid(ids, weights, 2, 4, { rows: 10, columns: 10 });
    expect([grid.rows, grid.columns, grid.largest]).toEqual([2, 4, 0.75]);
    expect([...grid.weights].map((weight) => weight > 0)).toEqual([true, false, true, false, false, true, false, true]);
  });

  it('keeps the largest weight where they do not', () => {
    const grid = matrixGrid(ids, weights, 2, 4, { rows: 1, columns: 2 });
    expect([grid.rows, grid.columns, grid.tokensPerCell, grid.expertsPerCell]).toEqual([1, 2, 2, 2]);
    expect([...grid.weights]).toEqual([0.75, 0.25]);
  });

  it('leaves out experts that the layer does not have', () => {
    const grid = matrixGrid(Int32Array.from([9, -1]), weights, 2, 4, { rows: 4, columns: 4 });
    expect(grid.largest).toBe(0);
  });
});

describe('padding and stages', () => {
  it('wasted share is padding over all tile rows', () => {
    expect(paddingSummary(Int32Array.from([3, 0, 16]), Int32Array.from([13, 0, 0]))).toEqual({
      rows: 19,
      padding: 13,
      waste: 13 / 32,
    });
    expect(paddingSummary(new Int32Array(4), new Int32Array(4)).waste).toBe(0);
  });

  it('puts stages of different paths side by side', () => {
    const times = [
      {
        path: 'b12x' as const,
        kernel: 'static' as const,
        workspaceBytes: 1,
        stages: [{ stage: 'fc1', microseconds: 4 }],
      },
      {
        path: 'cutlass' as const,
        kernel: 'cutlass' as const,
        workspaceBytes: 1,
        stages: [
          { stage: 'permute', microseconds: 1 },
          { stage: 'fc1', microseconds: 9 },
          { stage: 'total', microseconds: 12 },
        ],
      },
    ];
    expect(stageTable(times)).toEqual({
      largest: 9,
      totals: [4, 12],
      stages: [
        { stage: 'fc1', microseconds: [4, 9] },
        { stage: 'permute', microseconds: [null, 1] },
      ],
    });
  });
});
