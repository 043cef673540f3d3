import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRules } from '../../../electron/engine/dispatch/rules';
import { loadBinding } from '../../../electron/engine/native/load';
import { isUnavailable } from '../../../electron/engine/run/source';
import { BlobStore, storedArray } from '../../../electron/engine/session/blob-store';
import { blobFile, blobFolder, eventFile } from '../../../electron/engine/session/files';
import { ReplaySource } from '../../../electron/engine/session/replay-source';
import { rerunSession } from '../../../electron/engine/session/rerun';
import { openInspector, record, type Workplace, workplace } from './recording';

let place: Workplace;
beforeAll(async () => {
  place = await workplace();
});
afterAll(() => place.remove());

const rerunOptions = (checkpoint?: string) => ({
  binding: loadBinding(),
  rules: loadRules(undefined, {}),
  checkpoint,
  signal: new AbortController().signal,
  task: {},
});

describe('blobs', () => {
  it('are stored once for equal content and named by their hash', async () => {
    const session = join(place.folder, 'blobs.moesession');
    await mkdir(session);
    const store = new BlobStore(session);
    await store.open();
    const make = (value: number) => storedArray('x', 'F32', [4], new Float32Array(4).fill(value));
    const [first, again, other] = [await store.put([make(1)]), await store.put([make(1)]), await store.put([make(2)])];
    expect(first.sha256).toBe(again.sha256);
    expect(other.sha256).not.toBe(first.sha256);
    expect((await readdir(blobFolder(session))).sort()).toEqual(
      [first, other].map(({ sha256 }) => `${sha256}.safetensors`).sort(),
    );
    expect(store.count).toBe(2);
    const { createHash } = await import('node:crypto');
    expect(
      createHash('sha256')
        .update(await readFile(blobFile(session, first.sha256)))
        .digest('hex'),
    ).toBe(first.sha256);
  });
});

describe('a recording', () => {
  it('shares equal inputs, and its blobs and events say the same as its manifest', async () => {
    const path = join(place.folder, 'shared.moesession');
    await record(place.checkpoint, path, [3, 70]);
    const source = await ReplaySource.open(path, loadBinding);
    const info = source.info();
    expect(await readdir(blobFolder(path))).toHaveLength(info.blobs);
    expect((await readFile(eventFile(path))).length).toBeGreaterThanOrEqual(info.eventBytes);
    expect(await source.verifyBlobs()).toEqual([]);
    await source.dispose();
  });

  it('shows rows and decisions with no addon at all', async () => {
    const path = join(place.folder, 'no-addon.moesession');
    const rows = await record(place.checkpoint, path, [3, 70]);
    const source = await ReplaySource.open(path, () => {
      throw new Error('no addon here');
    });
    expect(source.table.rows(0, 10, 2).rows).toEqual(rows);
    expect((await source.decision(1)).path).toBe('cutlass');
    expect(await source.verifyBlobs()).toEqual([]);
    await source.dispose();
  });

  it('gives reasons for what it does not hold', async () => {
    const path = join(place.folder, 'few.moesession');
    await record(place.checkpoint, path, [3, 4]);
    const source = await ReplaySource.open(path, loadBinding);
    expect(await source.answer(0, 'reference', 'b12x')).toEqual({
      reason: expect.stringContaining('no reference answer'),
    });
    expect(isUnavailable(await source.counterfactuals(0))).toBe(false);
    expect(await source.counterfactuals(1)).toEqual({ reason: expect.stringContaining('No causes') });
    expect(source.whyNot()).toMatch(/runs nothing/);
    expect(await source.whyNoModel()).toBe('');
    await rename(place.checkpoint, `${place.checkpoint}-elsewhere`);
    const gone = await source.whyNoModel();
    await rename(`${place.checkpoint}-elsewhere`, place.checkpoint);
    expect(gone).toContain(`${place.checkpoint} is not on this machine`);
    await source.dispose();
  });

  it('names a damaged and a missing blob, and shows the rest', async () => {
    const path = join(place.folder, 'damaged.moesession');
    await record(place.checkpoint, path, [3, 70]);
    const before = await ReplaySource.open(path, loadBinding);
    const { input } = await before.intent(0);
    const answer = (await before.result(1)).answers[0]!.blob;
    await before.dispose();
    const bytes = await readFile(blobFile(path, input.sha256));
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(blobFile(path, input.sha256), bytes);
    await rm(blobFile(path, answer.sha256));
    const source = await ReplaySource.open(path, loadBinding);
    expect(source.table.length).toBe(2);
    expect(source.info().integrity.lost).toEqual([expect.stringContaining(answer.sha256)]);
    expect(await source.input(0)).toEqual({ reason: expect.stringContaining(input.sha256) });
    expect(isUnavailable(await source.input(1))).toBe(false);
    expect(await source.verifyBlobs()).toEqual([
      expect.stringMatching(`${input.sha256}.*SHA-256`),
      expect.stringMatching(`${answer.sha256}.*missing`),
    ]);
    await source.dispose();
  });

  it('that starts and ends while a run goes on holds whole batches only', async () => {
    const path = join(place.folder, 'running.moesession');
    const { inspector } = await openInspector(place.checkpoint);
    await inspector.start({ kind: 'mix', rate: 0, batches: 0 });
    const until = async (count: () => number, wanted: number) => {
      while (count() < wanted) await new Promise((resolve) => setTimeout(resolve, 2));
    };
    await until(() => inspector.source().table.length, 3);
    await inspector.record(path, { taps: false });
    await until(() => inspector.state().recording.batches, 4);
    const { batches } = await inspector.stopRecording();
    await inspector.pause();
    await inspector.close();
    const source = await ReplaySource.open(path, loadBinding);
    expect(source.info()).toMatchObject({ batches, integrity: { complete: true } });
    const { EventFile, topicOf } = await import('../../../electron/engine/session/event-file');
    const file = (await EventFile.open(eventFile(path)))!;
    const topics: (string | null)[] = [];
    for (let chunk = 0; chunk < file.chunks; chunk++)
      for (const event of await file.chunk(chunk)) topics.push(topicOf(event));
    await file.close();
    expect(topics.filter((topic) => topic === 'intent')).toHaveLength(batches);
    await source.dispose();
  });

  it('never overwrites, and wants its ending', async () => {
    const { inspector } = await openInspector(place.checkpoint);
    const taken = join(place.folder, 'taken.moesession');
    await mkdir(taken);
    await expect(inspector.record(taken, { taps: false })).rejects.toMatchObject({ code: 'bad-option' });
    await expect(inspector.record(join(place.folder, 'plain'), { taps: false })).rejects.toMatchObject({
      code: 'bad-option',
    });
    await expect(inspector.record(join(place.folder, 'a', 'b.moesession'), { taps: false })).rejects.toMatchObject({
      code: 'file-not-found',
    });
    await inspector.close();
  });

  it('that cannot write any more ends with an error state; the run goes on and the rest stays readable', async () => {
    const path = join(place.folder, 'stopped.moesession');
    const { inspector, failures } = await openInspector(place.checkpoint);
    await inspector.record(path, { taps: false });
    await inspector.step(5);
    // Root may write into a folder without permissions, so the folder goes away instead.
    await rm(blobFolder(path), { recursive: true });
    await inspector.step(6);
    expect(failures).toEqual(['file-not-found']);
    expect(inspector.state()).toMatchObject({
      recording: { active: false },
      error: { code: 'file-not-found' },
      batches: 2,
    });
    expect(await inspector.step(7)).toMatchObject({ index: 2, error: null });
    await expect(inspector.stopRecording()).rejects.toMatchObject({ code: 'file-not-found' });
    await inspector.openSession(path);
    expect(inspector.source().table.length).toBe(1);
    await inspector.close();
  });
});

describe('a re-run', () => {
  it('gives the same bits from the checkpoint, and from recorded weights without it', async () => {
    const path = join(place.folder, 'weights.moesession');
    const other = await workplace();
    await record(other.checkpoint, path, [1, 9, 64], { taps: true, weights: true });
    await other.remove();
    const source = await ReplaySource.open(path, loadBinding);
    const report = await rerunSession(source, rerunOptions());
    // Both paths and the reference as either, for every batch.
    expect(report).toMatchObject({
      batches: 3,
      answers: 12,
      identical: 12,
      first: null,
      unavailable: [],
      layer: 'weights in the recording',
    });
    expect(await rerunSession(source, rerunOptions(place.checkpoint))).toMatchObject({ answers: 12, identical: 12 });
    await source.dispose();
  });

  it('names the first element that differs', async () => {
    const path = join(place.folder, 'tampered.moesession');
    await record(place.checkpoint, path, [2, 70]);
    const source = await ReplaySource.open(path, loadBinding);
    const real = source.answer.bind(source);
    const binding = loadBinding();
    source.answer = async (batch, side, as) => {
      const answer = await real(batch, side, as);
      if (isUnavailable(answer) || batch !== 1 || side !== 'b12x') return answer;
      const { y } = answer.tensors;
      const bytes = y!.read(0, y!.info().bytes).slice();
      // Row 3, column 17 of BF16 [70, 256]: one bit of the mantissa.
      bytes[(3 * 256 + 17) * 2]! ^= 1;
      return { ...answer, tensors: { y: binding.tensorFromBytes(bytes, y!.info()) } };
    };
    const { first, identical, answers } = await rerunSession(source, rerunOptions(place.checkpoint));
    expect(first).toMatchObject({ batch: 1, path: 'b12x', tensor: 'y', element: 3 * 256 + 17, row: 3, column: 17 });
    expect(first?.recorded).not.toBe(first?.now);
    expect(answers - identical).toBe(1);
    await source.dispose();
  });

  it('refuses another checkpoint', async () => {
    const path = join(place.folder, 'other.moesession');
    await record(place.checkpoint, path, [2]);
    const other = await workplace();
    const { makeTinyCheckpoint } = await import('../../fixtures/sessions/tiny-checkpoint');
    const different = await makeTinyCheckpoint(loadBinding(), join(other.folder, 'different'), { seed: 2 });
    const source = await ReplaySource.open(path, loadBinding);
    await expect(rerunSession(source, rerunOptions(different))).rejects.toMatchObject({ code: 'bad-config' });
    await source.dispose();
    await other.remove();
  });
});
