import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ElementHistory, SideHistory } from '../../../electron/contract/element';
import { differ, e4m3Value, fp4Value } from '../../../electron/engine/analysis/history';
import { spreadOf } from '../../../electron/engine/analysis/noise';
import { loadBinding } from '../../../electron/engine/native/load';
import { memoryEngine } from '../../contract/memory-engine';
import { makeTinyCheckpoint } from '../../fixtures/sessions/tiny-checkpoint';

// Two slices and a short one, so that b12x's additions have an order.
const size = { intermediate: 272 };
let folder: string;
let window: ReturnType<typeof memoryEngine>;
let batch: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moescope-history-'));
  const tiny = await makeTinyCheckpoint(loadBinding(), join(folder, 'tiny'), { size });
  window = memoryEngine();
  await window.client.request('checkpoint.open', { path: tiny });
  await window.client.request('layer.load', { threshold: 64 });
  batch = (await window.client.request('run.step', { tokens: 32 })).index; // 64 routed pairs: static
});
afterAll(async () => {
  await window.close();
  await rm(folder, { recursive: true, force: true });
});

function shown(side: ElementHistory['a']): SideHistory {
  if ('reason' in side) throw new Error(side.reason);
  return side;
}

async function outputOf(side: 'b12x' | 'cutlass', token: number, column: number): Promise<number> {
  const place = { id: `batch/${side}.y`, batch, plane: 0, row: token, column };
  return (await window.client.request('tensor.pick', place)).value;
}

describe('formats of the history', () => {
  it('decode as the addon does', () => {
    const binding = loadBinding();
    for (let code = 0; code < 16; code++) expect(fp4Value(code)).toBe(binding.e2m1ToFloat(code));
    for (let byte = 0; byte < 256; byte++) expect(e4m3Value(byte)).toEqual(binding.e4m3ToFloat(byte));
  });

  it('take the same number written in two ways as equal, and nothing else', () => {
    expect(differ(1, 1 + 2 ** -23)).toBe(false);
    expect(differ(1, 1 + 2 ** -18)).toBe(true);
    expect(differ(0, -0)).toBe(false);
    expect(differ(0, 1e-30)).toBe(true);
    expect(differ(Number.NaN, Number.NaN)).toBe(false);
    expect(differ(Number.NaN, 0)).toBe(true);
  });
});

describe('history of an element', () => {
  it('ends in the value of the output on every side', async () => {
    for (const [a, b] of [
      ['b12x', 'cutlass'],
      ['cutlass', 'reference'],
    ] as const) {
      const history = await window.client.request('diff.history', { batch, a, b, token: 7, column: 200 });
      expect(shown(history.a).y).toBe(await outputOf(a, 7, 200));
      if (b !== 'reference') expect(shown(history.b).y).toBe(await outputOf(b, 7, 200));
    }
  });

  it('names who wrote each slot, in which slices and order', async () => {
    const history = await window.client.request('diff.history', {
      batch,
      a: 'b12x',
      b: 'cutlass',
      token: 31,
      column: 255,
    });
    const b12x = shown(history.a);
    const cutlass = shown(history.b);
    expect(b12x).toMatchObject({ path: 'b12x', kernel: 'static' });
    expect(b12x.slots.map(({ slices }) => slices.map(({ blocks }) => blocks))).toEqual([
      [8, 8, 1],
      [8, 8, 1],
    ]);
    expect(b12x.additions.map(({ slot, slice }) => [slot, slice])).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 0],
      [1, 1],
      [1, 2],
    ]);
    expect(b12x.slots[0]!.tile).toEqual({
      m: Math.floor(b12x.slots[0]!.rowInExpert / b12x.tileM),
      n: Math.floor(255 / b12x.tileN),
    });
    expect(cutlass.slots.map(({ slices }) => slices.length)).toEqual([1, 1]);
    const detail = await window.client.request('batch.detail', { batch });
    expect(b12x.slots.map(({ expert }) => expert)).toEqual([...detail.topkIds.slice(62, 64)]);
  });

  it('adds up block by block, and leads through FC1 back to x', async () => {
    const history = await window.client.request('diff.history', {
      ...({ batch, a: 'b12x', b: 'cutlass', token: 3, column: 11, slot: 1, element: 130 } as const),
    });
    for (const side of [shown(history.a), shown(history.b)]) {
      const { fc1, slots } = side;
      const slot = slots[1]!;
      expect(fc1?.act).toBe(slot.act[130]);
      expect(fc1?.x).toHaveLength(256);
      for (const dot of [slot.dot, fc1!.up, fc1!.gate!]) {
        for (let block = 0; block < dot.dot.length; block++) {
          let sum = 0;
          for (let i = block * 16; i < block * 16 + 16; i++)
            sum += fp4Value(dot.activationCodes[i]!) * fp4Value(dot.weightCodes[i]!);
          expect(dot.dot[block]).toBe(sum);
          expect(dot.term[block]).toBeCloseTo(
            sum * e4m3Value(dot.activationSf[block]!) * e4m3Value(dot.weightSf[block]!),
            4,
          );
        }
      }
      // FC1's input stands for x within the coarsest FP4 step: half of 2 of 6, of the block's largest value.
      const { up, activationScale, x } = fc1!;
      x.forEach((value, i) => {
        const most = Math.max(...x.slice(i - (i % 16), i - (i % 16) + 16).map(Math.abs));
        expect(
          Math.abs(fp4Value(up.activationCodes[i]!) * e4m3Value(up.activationSf[i >> 4]!) * activationScale - value),
        ).toBeLessThan(most / 4);
      });
    }
  });

  it('says where the sides part first: the activation scale of unit-alpha, or nowhere for a side and itself', async () => {
    const place = { batch, token: 3, column: 11, slot: 0, element: 5 };
    const parted = await window.client.request('diff.history', { ...place, a: 'b12x', b: 'cutlass' });
    expect(parted.partings[0]).toMatchObject({ step: 'x', slot: 0 });
    expect(parted.partings.map(({ step }) => step)).toContain('w2');
    const same = await window.client.request('diff.history', { ...place, a: 'b12x', b: 'b12x' });
    expect(same.partings).toEqual([]);
  });

  it('refuses a place outside the batch by its name', async () => {
    const place = { batch, a: 'b12x', b: 'cutlass' } as const;
    expect(await window.client.failure('diff.history', { ...place, token: 32, column: 0 })).toMatchObject({
      code: 'out-of-bounds',
      subject: 'token',
    });
    expect(
      await window.client.failure('diff.history', { ...place, token: 0, column: 0, slot: 0, element: 272 }),
    ).toMatchObject({ code: 'out-of-bounds', subject: 'element' });
  });
});

describe('noise floor', () => {
  const pair = { a: 'b12x', b: 'cutlass', rtol: 0, atol: 0 } as const;

  it('sees the order of atomics on b12x, and equal bits on CUTLASS', async () => {
    const noise = await window.client.request('diff.noise', { batch, ...pair, runs: 6 });
    const output = noise.stages.at(-1)!;
    const [b12x, cutlass] = output.sides;
    expect(b12x!.repeats.identical).toBeLessThan(6);
    expect(b12x!.repeats.max).toBeGreaterThan(0);
    expect(b12x!.repeats.p95).toBeLessThanOrEqual(b12x!.repeats.max);
    expect(cutlass!.repeats).toEqual({ runs: 6, identical: 6, max: 0, p95: 0 });
    expect(cutlass!.orders).toMatchObject({ orders: 8, elements: 128 });
    expect(noise.deterministic).toBe(false);
    // The floor never falls from stage to stage, and the scales' difference is far above it.
    const floors = noise.stages.map(({ floor }) => floor);
    expect(floors).toEqual([...floors].sort((x, y) => x - y));
    expect(output.nrmse).toBeGreaterThan(2 * output.floor);
    expect(noise.firstDiverging).toBe('input');
    expect(noise.remarks).toEqual([]);
  });

  it('takes a difference below it for none: b12x against itself, CUTLASS against its reference at a tolerance', async () => {
    const same = await window.client.request('diff.noise', { batch, ...pair, b: 'b12x', runs: 2 });
    expect(same.firstDiverging).toBeNull();
    const loose = await window.client.request('diff.noise', { batch, ...pair, rtol: 10, atol: 1e6, runs: 1 });
    expect(loose.firstDiverging).toBeNull();
  });

  it('tells of its progress and can be cancelled; more than 64 runs are refused', async () => {
    const id = window.client.nextId;
    const cancelled = window.client.failure('diff.noise', { batch, ...pair, runs: 64 });
    await window.client.until('progress', ({ request, done }) => request === id && done >= 2);
    window.client.cancel(id);
    expect((await cancelled).code).toBe('cancelled');
    expect((await window.client.failure('diff.noise', { batch, ...pair, runs: 65 })).code).toBe('bad-option');
  });

  it('summarises by the nearest rank', () => {
    expect(spreadOf([])).toEqual({ max: 0, p95: 0 });
    expect(spreadOf(Array.from({ length: 20 }, (_, i) => 20 - i))).toEqual({ max: 20, p95: 19 });
  });
});

describe('stages of a pair', () => {
  it('count codes and scale bytes that differ, and share the error out to experts', async () => {
    const diff = await window.client.request('diff.stages', {
      batch,
      a: 'b12x',
      b: 'cutlass',
      rtol: 0,
      atol: 0,
    });
    const stage = (name: string) => diff.stages.find((entry) => entry.stage === name)!.comparison!;
    for (const name of ['input', 'requantized']) {
      const { codes } = stage(name);
      expect(codes!.codes).toBe(codes!.scales * 16);
      expect(codes!.differingScales).toBeGreaterThan(0);
      expect(codes!.differingCodes).toBeLessThan(codes!.codes);
    }
    const experts = stage('fc2').experts!;
    expect(experts.reduce((sum, { rows }) => sum + rows, 0)).toBe(64);
    expect(experts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(stage('output').experts).toBeUndefined();
    for (const { comparison } of diff.stages) expect(comparison!.pcc).toBeCloseTo(comparison!.cosine, 1);
  });

  it('have one NRMSE of a pair, in the row, in Diff and in a re-run, whichever path was decided', async () => {
    for (const tokens of [32, 80]) {
      await window.client.request('run.workload', { compareEvery: 1 });
      const row = await window.client.request('run.step', { tokens });
      const diff = await window.client.request('diff.stages', {
        batch: row.index,
        a: 'b12x',
        b: 'cutlass',
        rtol: 0,
        atol: 0,
      });
      const other = row.path === 'b12x' ? 'cutlass' : 'b12x';
      const again = await window.client.request('batch.rerun', { batch: row.index, path: other });
      expect(again.nrmse).toBe(row.nrmse);
      expect(diff.stages.at(-1)!.comparison!.nrmse).toBe(row.nrmse);
      expect(row.path).toBe(tokens === 32 ? 'b12x' : 'cutlass');
    }
  });
});
