/** What every host must give a window: the same suite runs over memory, a process and the web host. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { kernels } from '../../electron/contract/layer';
import { CONTRACT_VERSION } from '../../electron/contract/messages';
import { loadBinding } from '../../electron/engine/native/load';
import { makeTinyCheckpoint, tinyShape } from '../fixtures/sessions/tiny-checkpoint';
import type { WindowClient } from './window-client';

export interface OpenedHost {
  client: WindowClient;
  close(): Promise<void>;
}

export function engineSuite(host: string, open: () => Promise<OpenedHost>): void {
  describe(`an engine over ${host}`, () => {
    let folder = '';
    let checkpoint = '';
    let opened: OpenedHost;
    let client: WindowClient;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'moescope-suite-'));
      checkpoint = await makeTinyCheckpoint(loadBinding(), join(folder, 'checkpoint'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));
    beforeEach(async () => {
      opened = await open();
      client = opened.client;
    });
    afterEach(() => opened.close());

    const load = async (threshold = 64) => {
      await client.request('checkpoint.open', { path: checkpoint });
      return client.request('layer.load', { threshold });
    };

    it('says hello and refuses another contract', async () => {
      const hello = await client.request('hello', { contract: CONTRACT_VERSION });
      expect(hello.state).toMatchObject({ state: 'empty', source: 'none', layer: null });
      expect(hello.state.providers.map(({ provider }) => provider)).toContain('cpu');
      expect(hello.state.ruleFiles.map(({ id }) => id)).toContain(hello.state.rules);
      expect((await client.failure('hello', { contract: 999 })).code).toBe('unsupported');
    });

    it('answers a wrong request with a code, and goes on', async () => {
      expect((await client.failure('batches.rows', { first: 0, count: 501 })).code).toBe('bad-option');
      expect((await client.failure('no.such.request' as 'hello', { contract: 1 })).code).toBe('usage');
      expect((await client.failure('run.start', {})).code).toBe('wrong-state');
      expect((await client.failure('checkpoint.open', { path: join(folder, 'absent') })).code).toBe('file-not-found');
      expect((await client.request('hello', { contract: CONTRACT_VERSION })).state.state).toBe('empty');
    });

    it('loads a layer and dispatches by the threshold: 63, 64, 65 tokens', async () => {
      const layer = await load();
      expect(layer.shape).toMatchObject(tinyShape);
      expect(layer.registered.filter((name) => name.includes('_cutlass_'))).toHaveLength(6);
      const ran = [];
      for (const tokens of [63, 64, 65]) ran.push(await client.request('run.step', { tokens }));
      expect(ran.map(({ path }) => path)).toEqual(['b12x', 'cutlass', 'cutlass']);
      for (const row of ran) {
        expect(row.microseconds).toBeGreaterThan(0);
        expect(row.otherMicroseconds).toBeGreaterThan(0);
        expect(row.nrmse).toBeGreaterThan(0);
        expect(row.cosine).toBeGreaterThan(0.9);
      }
    });

    it('moves the threshold while running, from the next batch on', async () => {
      await load();
      await client.request('run.start', { workload: { kind: 'sequence', tokens: [40], rate: 0, batches: 0 } });
      await client.until('batches', ({ total }) => total >= 3);
      await client.request('run.threshold', { tokens: 32 });
      await client.until('batches', ({ rows }) => rows.some(({ path }) => path === 'cutlass'));
      await client.request('run.pause', {});
      const { rows, total } = await client.request('batches.rows', { first: 0, count: 500 });
      expect(rows).toHaveLength(total);
      const first = rows.findIndex(({ threshold }) => threshold === 32);
      expect(first).toBeGreaterThanOrEqual(3);
      expect(rows.map(({ path }) => path)).toEqual(rows.map((_, index) => (index < first ? 'b12x' : 'cutlass')));
      const { decision } = await client.request('batch.detail', { batch: first });
      expect(decision.steps[0]?.origin.kind).toBe('window');
      const before = await client.request('batch.detail', { batch: first - 1 });
      expect(before.decision.threshold).toBe(64);
    });

    it('keeps fields of the workload that a change leaves out', async () => {
      await load();
      await client.request('run.workload', { seed: 7, maxTokens: 99 });
      expect(await client.request('run.workload', { skew: 1 })).toMatchObject({ seed: 7, maxTokens: 99, skew: 1 });
    });

    it('counts the same batches in rows, timeline and statistics', async () => {
      await load();
      await client.request('run.start', { workload: { batches: 20, rate: 0, maxTokens: 128 } });
      await client.until('state', ({ state, batches }) => state === 'paused' && batches === 20);
      const { rows } = await client.request('batches.rows', { first: 0, count: 500 });
      const timeline = await client.request('batches.timeline', { first: 0, last: 19, columns: 7 });
      const stats = await client.request('run.stats', {});
      for (const [index, kernel] of kernels.entries()) {
        const expected = rows.filter((row) => row.kernel === kernel).length;
        let counted = 0;
        for (let column = 0; column < 7; column++)
          counted += timeline.counts[column * kernels.length + index] as number;
        expect(counted).toBe(expected);
        expect(stats.byKernel.find((entry) => entry.kernel === kernel)?.batches ?? 0).toBe(expected);
      }
      const whatIf = await client.request('run.whatIf', { threshold: 0 });
      expect(whatIf).toMatchObject({
        toCutlass: 0,
        toB12x: rows.filter(({ path }) => path === 'cutlass').length,
        unmeasured: 0,
      });
    });

    it('shows tensors: list, tile, ratio, histogram, statistics, pick', async () => {
      await load();
      await client.request('run.step', { tokens: 8 });
      const list = await client.request('tensor.list', { batch: 0 });
      const ids = list.map(({ id }) => id);
      expect(ids).toEqual(
        expect.arrayContaining([
          'checkpoint/w13_weight_scale',
          'b12x/w13_weight_scale',
          'cutlass/w13_cutlass_weight_scale',
          'batch/b12x.x_sf',
        ]),
      );
      const scale = list.find(({ id }) => id === 'b12x/w13_weight_scale')!;
      expect(scale).toMatchObject({ layout: 'sf128x4', planes: 8, rows: 256, columns: 16, role: 'block-scale' });
      const rectangle = { plane: 2, row0: 0, rows: 256, col0: 0, cols: 16, outRows: 256, outCols: 16 };
      const tile = await client.request('tensor.tile', { id: scale.id, ...rectangle });
      const pick = await client.request('tensor.pick', { id: scale.id, plane: 2, row: 130, column: 5 });
      expect(tile.mean[130 * 16 + 5]).toBe(pick.value);
      expect(pick.codes).toHaveLength(16);
      const sibling = pick.siblings.find(({ id }) => id === 'checkpoint/w13_weight_scale')!;
      expect(sibling.ratio).toBe(1);
      const ratio = await client.request('tensor.ratioTile', { id: scale.id, against: sibling.id, ...rectangle });
      const s2 = await client.request('tensor.pick', {
        id: 'checkpoint/w13_weight_scale_2',
        plane: 2,
        row: 0,
        column: 0,
      });
      expect(ratio.mean[130 * 16 + 5]).toBeCloseTo(pick.value / (sibling.value * s2.value), 4);
      const { counts } = await client.request('tensor.histogram', { id: scale.id, plane: 2 });
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(256 * 16);
      const stats = await client.request('tensor.stats', { id: scale.id });
      expect(stats).toHaveLength(8);
      expect((await client.failure('tensor.pick', { id: scale.id, plane: 0, row: 256, column: 0 })).code).toBe(
        'out-of-bounds',
      );
      expect((await client.failure('tensor.stats', { id: 'b12x/absent' })).code).toBe('missing-tensor');
    });

    it('compares the paths stage by stage, and shares the error out to causes', async () => {
      await load();
      await client.request('run.step', { tokens: 96 });
      const pair = { batch: 0, a: 'b12x', b: 'cutlass' } as const;
      const diff = await client.request('diff.stages', { ...pair, rtol: 0.05, atol: 1e-3 });
      expect(diff.stages.map(({ stage, reason }) => [stage, reason])).toEqual(
        ['input', 'fc1', 'activation', 'requantized', 'fc2', 'output'].map((stage) => [stage, '']),
      );
      expect(diff.firstDiverging).toBe('input');
      expect(diff).toMatchObject({ cannot: { explain: '', repeat: '' }, recorded: null });
      const { causes, interaction, rest, total, diagnosis } = await client.request('diff.explain', pair);
      expect(causes.reduce((sum, { share }) => sum + share, 0) + interaction + rest).toBeCloseTo(1, 9);
      expect(['unit-activation-scale', 'sf-rerounding', 'sf-underflow']).toContain(causes[0]?.id);
      expect(total.nrmse).toBeCloseTo(diff.stages[5]?.comparison?.nrmse ?? 0, 6);
      for (const side of [diagnosis.a, diagnosis.b]) {
        expect(side?.deviations).toEqual([]);
        expect(side?.segments.map(({ stage }) => stage)).toEqual(diff.stages.map(({ stage }) => stage));
      }
      const exact = await client.request('diff.explain', { ...pair, b: 'reference' });
      expect(exact.diagnosis.b).toBeNull();
      expect(exact.causes.reduce((sum, { share }) => sum + share, 0) + exact.interaction + exact.rest).toBeCloseTo(
        1,
        9,
      );
      const worst = diff.stages[1]?.worst[0];
      expect(worst?.token).toBe(Math.floor((worst?.row ?? 0) / tinyShape.topK));
      const { topkIds } = await client.request('batch.detail', { batch: 0 });
      expect(worst?.expert).toBe(topkIds[worst?.row ?? 0]);
      const same = await client.request('diff.stages', {
        batch: 0,
        a: 'cutlass',
        b: 'cutlass',
        rtol: 0,
        atol: 0,
      });
      expect(same.firstDiverging).toBeNull();
      const again = await client.request('batch.rerun', { batch: 0, path: 'cutlass' });
      expect(again).toMatchObject({ identical: true, nrmse: 0 });
    });

    it('says why the paths cannot be compared while the threshold is 0, and can after it moves', async () => {
      await load(0);
      const row = await client.request('run.step', { tokens: 80 });
      expect(row).toMatchObject({ path: 'b12x', otherMicroseconds: null, nrmse: null });
      const diff = await client.request('diff.stages', {
        batch: 0,
        a: 'b12x',
        b: 'cutlass',
        rtol: 0,
        atol: 0,
      });
      expect(diff.stages[5]?.reason).toMatch(/threshold is 0/);
      expect(diff.cannot.explain).toMatch(/threshold is 0/);
      expect(diff.cannot.repeat).toMatch(/threshold is 0/);
      await client.request('run.threshold', { tokens: 64 });
      expect(await client.request('run.step', { tokens: 80 })).toMatchObject({ path: 'cutlass' });
    });

    it('records, and replays the same rows, details, tensors and differences', async () => {
      const path = join(folder, `${host.replace(/\W/g, '-')}.moesession`);
      await load();
      await client.request('session.record', { path, taps: true, notes: 'from the suite' });
      await client.request('run.step', { tokens: 80 });
      await client.request('run.threshold', { tokens: 100 });
      await client.request('run.step', { tokens: 80 });
      await client.request('session.annotate', { bookmark: { batch: 1, text: 'here' } });
      const asked = { batch: 1, a: 'b12x', b: 'cutlass', rtol: 0.01, atol: 0 } as const;
      const live = {
        rows: (await client.request('batches.rows', { first: 0, count: 10 })).rows,
        detail: await client.request('batch.detail', { batch: 1 }),
        diff: await client.request('diff.stages', asked),
        explained: await client.request('diff.explain', { batch: 1, a: 'b12x', b: 'cutlass' }),
      };
      const info = await client.request('session.stopRecording', {});
      expect(info).toMatchObject({ batches: 2, taps: true, notes: 'from the suite', integrity: { complete: true } });
      expect(info.bookmarks).toMatchObject([{ batch: 1, text: 'here' }]);
      await client.request('session.open', { path });
      await client.until('state', ({ state }) => state === 'replay');
      expect((await client.request('batches.rows', { first: 0, count: 10 })).rows).toEqual(live.rows);
      const detail = await client.request('batch.detail', { batch: 1 });
      expect({ ...detail, provenance: '', available: [] }).toEqual({ ...live.detail, provenance: '', available: [] });
      const diff = await client.request('diff.stages', asked);
      expect(diff.stages).toEqual(live.diff.stages);
      const steps = ['baked-block-scales', 'rounding', 'unit-activation-scale'];
      expect(diff.recorded?.causes.map(({ id }) => id).sort()).toEqual(steps);
      expect(diff.recorded?.floor).toBeGreaterThan(0);
      // The checkpoint is still where it was, so a recording can be explained; nothing can be run again.
      expect(diff.cannot).toEqual({ explain: '', repeat: expect.stringContaining('runs nothing') });
      const { batch, a, b } = asked;
      const explained = await client.request('diff.explain', { batch, a, b });
      expect({ ...explained, layer: '' }).toEqual({ ...live.explained, layer: '' });
      expect(
        (await client.request('tensor.pick', { id: 'b12x/w2_weight_scale', plane: 7, row: 255, column: 7 })).siblings,
      ).toHaveLength(2);
      expect((await client.failure('run.start', {})).code).toBe('wrong-state');
      expect((await client.failure('batch.rerun', { batch: 0, path: 'b12x' })).code).toBe('unsupported');
      expect(await client.request('session.seek', { batch: 0 })).toEqual({ batch: 0 });
      expect(await client.request('batches.rows', { first: 0, count: 10 })).toMatchObject({ total: 1 });
      expect((await client.failure('batch.detail', { batch: 1 })).code).toBe('bad-option');
      await client.request('session.play', { rate: 1000 });
      await client.until('state', ({ state, position }) => state === 'replay' && position === 1);
      await client.request('session.close', {});
      const { state } = await client.request('hello', { contract: CONTRACT_VERSION });
      expect(state).toMatchObject({ state: 'paused', source: 'live', batches: 2, session: null });
    });

    it('cancels a load and keeps the layer that was there', async () => {
      await load();
      const id = client.nextId;
      const cancelled = client.failure('layer.load', { contract: 'clean' });
      client.cancel(id);
      expect((await cancelled).code).toBe('cancelled');
      const { state } = await client.request('hello', { contract: CONTRACT_VERSION });
      expect(state).toMatchObject({ state: 'ready', contract: 'unit-alpha', error: null });
      expect(await client.request('run.step', { tokens: 2 })).toMatchObject({ path: 'b12x' });
    });

    it('keeps what is loaded when a checkpoint or a session cannot be opened', async () => {
      await load();
      await client.request('run.step', { tokens: 2 });
      expect((await client.failure('checkpoint.open', { path: join(folder, 'absent') })).code).toBe('file-not-found');
      const broken = join(folder, `broken-${Date.now()}.moesession`);
      expect((await client.failure('session.open', { path: broken })).code).toBe('file-not-found');
      await writeFile(broken, 'no folder');
      expect((await client.failure('session.open', { path: broken })).code).toBe('file-not-found');
      const { state } = await client.request('hello', { contract: CONTRACT_VERSION });
      expect(state).toMatchObject({ state: 'paused', source: 'live', batches: 1 });
    });
  });
}
