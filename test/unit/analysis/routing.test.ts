import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LayerShape } from '../../../electron/contract/layer';
import { BatchRoutingSchema, RoutingWindowSchema } from '../../../electron/contract/routing';
import { batchRouting } from '../../../electron/engine/analysis/routing/batch-routing';
import { bytesPerExpert, floorDevices, floorOf } from '../../../electron/engine/analysis/routing/floors';
import { loadWindow } from '../../../electron/engine/analysis/routing/load-window';
import { loadBinding } from '../../../electron/engine/native/load';
import type { Source } from '../../../electron/engine/run/source';
import { blobFile } from '../../../electron/engine/session/files';
import { ReplaySource } from '../../../electron/engine/session/replay-source';
import { openInspector, type Workplace, workplace } from '../session/recording';

const qwen: LayerShape = { hidden: 2048, intermediate: 768, experts: 128, topK: 8, gated: true, activation: 'silu' };
const relu2: LayerShape = {
  hidden: 4096,
  intermediate: 2688,
  experts: 512,
  topK: 22,
  gated: false,
  activation: 'relu2',
};
const device = (id: string) => floorDevices.find((each) => each.id === id)!;

describe('floors', () => {
  // Expected figures: worked out apart from this code, for the shapes and devices named, to three digits.
  it.each([
    [qwen, 'h200', 1, 4.94, 0.0955],
    [qwen, 'h200', 64, 77.7, 6.11],
    [qwen, 'h200', 4096, 79.0, 391],
    [qwen, 'rtx-pro-6000', 8, 76.5, 0.302],
    [qwen, 'rtx-5090', 4096, 190, 185],
    [qwen, 'gb10', 1, 77.8, 0.151],
    [relu2, 'h200', 8, 437, 9.81],
    [relu2, 'h200', 4096, 1475, 5024],
  ])('of a known layer on %#', (shape, id, tokens, memory, math) => {
    const expectedUnique = loadBinding().expectedUnique(shape.experts, shape.topK, tokens);
    const floor = floorOf(shape, { tokens, unique: expectedUnique, expectedUnique }, device(id));
    expect(floor.memory / memory).toBeCloseTo(1, 2);
    expect(floor.memoryUniform).toBe(floor.memory);
    expect(floor.math / math).toBeCloseTo(1, 2);
  });

  it('count three matrices of a gated expert and two of another', () => {
    expect(bytesPerExpert(qwen)).toBe(3 * 2048 * 768 * 0.5625);
    expect(bytesPerExpert(relu2)).toBe(2 * 4096 * 2688 * 0.5625);
  });

  it('are of devices with a source and a date each', () => {
    expect(floorDevices.map(({ id }) => id)).toEqual(['h100', 'h200', 'rtx-pro-6000', 'rtx-5090', 'gb10']);
    for (const { source, date, basis } of floorDevices) {
      expect(source.length).toBeGreaterThan(20);
      expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(['measured', 'data sheet']).toContain(basis);
    }
  });
});

describe('routing of a run', () => {
  const tokens = [1, 3, 64, 2, 90];
  let place: Workplace;
  let recorded = '';
  let live: Awaited<ReturnType<typeof openInspector>>;
  beforeAll(async () => {
    place = await workplace();
    recorded = join(place.folder, 'routing.moesession');
    live = await openInspector(place.checkpoint);
    await live.inspector.record(recorded, { taps: false, weights: false });
    for (const count of tokens) await live.inspector.step(count);
    await live.inspector.stopRecording();
  });
  afterAll(async () => {
    await live.inspector.close();
    await place.remove();
  });
  const all = { first: 0, last: 1000, columns: 100, rows: 100 };

  it('is the same live and from a recording', async () => {
    const replay = await ReplaySource.open(recorded, loadBinding);
    const reports: [number, number][] = [];
    const report = (done: number, total: number) => reports.push([done, total]);
    const window = await loadWindow(live.inspector.source(), all, {});
    expect(await loadWindow(replay, all, { report })).toEqual(window);
    expect(reports.at(-1)).toEqual([tokens.length, tokens.length]);
    RoutingWindowSchema.parse(window);
    expect([window.first, window.last, window.columns, window.rows]).toEqual([0, 4, 5, replay.shape.experts]);
    for (let batch = 0; batch < tokens.length; batch++) {
      const of = (source: Source) => batchRouting(loadBinding(), source, batch);
      const { provenance, ...figures } = BatchRoutingSchema.parse(await of(live.inspector.source()));
      expect(await of(replay)).toMatchObject(figures);
      expect(provenance).not.toBe('');
    }
    await replay.dispose();
  });

  it('is what the rows per expert say', async () => {
    const source = live.inspector.source();
    const { experts, topK } = source.shape;
    const window = await loadWindow(source, all, {});
    const detail = await loadBinding().routingStats(
      ((await source.input(2)) as { topkIds: Int32Array }).topkIds,
      experts,
      1,
    );
    for (let expert = 0; expert < experts; expert++) {
      expect(window.load[expert * 5 + 2]).toBeCloseTo((detail.rowsPerExpert[expert]! * experts) / (64 * topK), 5);
    }
    const figures = await batchRouting(loadBinding(), source, 2);
    expect(figures.balance.unique).toBe(detail.unique);
    expect(figures.balance.imbalance).toBeCloseTo((detail.maxRows * experts) / (64 * topK), 9);
    expect(window.unique[2]).toBe(detail.unique);
    expect(window.expectedUnique[2]).toBeCloseTo(figures.expectedUnique, 4);
  });

  it('of a batch whose input is lost is not known, and the others are', async () => {
    const replay = await ReplaySource.open(recorded, loadBinding);
    const { input } = await replay.intent(2);
    await rm(blobFile(recorded, input.sha256));
    const window = await loadWindow(replay, all, {});
    expect(Number.isNaN(window.load[2])).toBe(true);
    expect(Number.isNaN(window.unique[2])).toBe(true);
    expect(window.unique[3]).toBeGreaterThan(0);
    await expect(batchRouting(loadBinding(), replay, 2)).rejects.toMatchObject({ code: 'session-incomplete' });
    await replay.dispose();
  });

  it('stops reading when it is cancelled, and goes on later', async () => {
    const replay = await ReplaySource.open(recorded, loadBinding);
    const abort = new AbortController();
    const report = () => abort.abort();
    await expect(loadWindow(replay, all, { signal: abort.signal, report })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect((await loadWindow(replay, all, {})).columns).toBe(5);
    await replay.dispose();
  });

  it('of a range that is not finite is refused', async () => {
    const request = { ...all, last: Number.POSITIVE_INFINITY };
    await expect(loadWindow(live.inspector.source(), request, {})).rejects.toMatchObject({ code: 'bad-option' });
  });
});
