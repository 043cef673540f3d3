import { beforeAll, describe, expect, it, vi } from 'vitest';
import { EngineClient } from '../../../renderer/client';
import { useConnection } from '../../../renderer/stores/connection';
import { redoView, startHistory, undoView } from '../../../renderer/stores/history';
import { attach } from '../../../renderer/stores/link';
import { ask, askOrShow } from '../../../renderer/stores/request';
import { useRun } from '../../../renderer/stores/run';
import { selectBatch, useSelection } from '../../../renderer/stores/selection';
import { captureView, fromLink, toLink } from '../../../renderer/stores/snapshot';
import { setFilters, useView } from '../../../renderer/stores/view';
import { FakeEngine } from '../../fixtures/window/fake-engine';

const engine = new FakeEngine({ batches: 3000 });
const shell = {
  host: 'web' as const,
  pickFolder: async () => null,
  saveFile: async () => null,
  about: async () => ({ version: '', host: 'memory' as const, electron: '', chromium: '', node: '' }),
  restart: async () => undefined,
  onCommand: () => () => undefined,
};

beforeAll(async () => {
  attach(new EngineClient(async () => ({ transport: engine, shell })));
  await vi.waitFor(() => expect(useRun.getState().recent).toHaveLength(2000));
});

describe('stores over a client', () => {
  it('fill with the newest rows of a source that was there before the window', () => {
    const { recent, total } = useRun.getState();
    expect(total).toBe(3000);
    expect([recent[0]!.index, recent[1999]!.index]).toEqual([1000, 2999]);
  });

  it('take rows as they come, and statistics after them', async () => {
    await ask('run.step', { tokens: 9 });
    const { recent, total } = useRun.getState();
    expect([total, recent[recent.length - 1]!.tokens]).toEqual([3001, 9]);
    await vi.waitFor(() => expect(useRun.getState().stats?.batches).toBe(3001));
  });

  it('take what batches changed of the device memory into the state, and keep it until told anew', async () => {
    const held = { tensors: 100, reordered: 0, runs: 20, graphs: 2 };
    const { total } = useRun.getState();
    const before = useConnection.getState().engine;
    engine.event('batches', { rows: [], total, dropped: 0, deviceMemory: held });
    engine.event('batches', { rows: [], total, dropped: 0 });
    expect(useConnection.getState().engine).toEqual({ ...before, deviceMemory: held });
    engine.change({});
    expect(useConnection.getState().engine?.deviceMemory).toBeUndefined();
  });

  it('keep only the newest of two selections', async () => {
    const first = selectBatch(10);
    await selectBatch(20);
    await first;
    const { batch, detail, loading } = useSelection.getState();
    expect([batch, detail?.row.index, loading]).toEqual([20, 20, false]);
  });

  it('say why a batch cannot be shown', async () => {
    await selectBatch(999_999);
    expect(useSelection.getState().detailError).toMatchObject({ code: 'out-of-bounds', found: '999999' });
  });

  it('cancel what a person gave up, without a card', async () => {
    const abort = new AbortController();
    const opening = askOrShow('checkpoint.open', { path: '/x' }, { signal: abort.signal, label: 'Opening' });
    expect(useConnection.getState().tasks.map(({ label }) => label)).toEqual(['Opening']);
    abort.abort();
    expect(await opening).toBeNull();
    expect(useConnection.getState()).toMatchObject({ tasks: [], failure: null });
  });

  it('forget everything when the source starts anew', async () => {
    const { epoch } = useRun.getState();
    await ask('run.reset', {});
    expect(useRun.getState()).toMatchObject({ total: 0, recent: [], epoch: epoch + 1 });
    expect(useSelection.getState().batch).toBeNull();
  });
});

describe('a run that begins again', () => {
  it('takes nothing along of the batches before, which had the same numbers', async () => {
    await ask('run.step', { tokens: 5 });
    await selectBatch(3);
    await ask('run.reset', {});
    await vi.waitFor(() => expect(useRun.getState().total).toBe(0));
    expect(useRun.getState().recent).toEqual([]);
    expect(useSelection.getState()).toMatchObject({ batch: null, detail: null });
  });
});

describe('links and undo', () => {
  it('a link gives back the whole view', () => {
    useView.setState({ panel: 'diff', timeline: { first: 10, last: 500, follow: false } });
    setFilters({ path: 'cutlass', minTokens: 64, failedOnly: true });
    useSelection.setState({ batch: 12, tensor: 'b12x/w13_weight_scale', element: { plane: 1, row: 2, column: 3 } });
    const view = captureView();
    const fields = new URLSearchParams(toLink(view, new URLSearchParams('token=keep')).toString());
    expect(fields.get('token')).toBe('keep');
    expect(fromLink(fields)).toEqual(view);
  });

  it('a malformed link changes nothing', () => {
    const fields = new URLSearchParams('batch=-3&panel=<b>&element=1,2&range=9,1&tol=x,y&pair=a,b&filter=1,2');
    expect(fromLink(fields)).toEqual({});
  });

  it('undo goes back, redo forward, a new change ends redo', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const told: (number | null)[] = [];
    const stop = startHistory(({ filters }) => told.push(filters.minTokens));
    const wait = () => vi.advanceTimersByTime(1000);
    wait();
    setFilters({ minTokens: 1 });
    wait();
    setFilters({ minTokens: 2 });
    expect(undoView()).toBe(true);
    expect(useView.getState().filters.minTokens).toBe(1);
    expect(told.at(-1)).toBe(1);
    expect(redoView()).toBe(true);
    expect(useView.getState().filters.minTokens).toBe(2);
    undoView();
    wait();
    setFilters({ minTokens: 3 });
    expect(redoView()).toBe(false);
    stop();
    vi.useRealTimers();
  });
});
