import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AppError } from '../../electron/contract/errors';
import type { ToEngine, ToWindow } from '../../electron/contract/messages';
import { type Connection, EngineClient } from '../../renderer/client';
import type { Shell } from '../../renderer/client/shell';
import { emptyState } from '../contract/fake/engine';

/** The far end of a transport, played by the test. */
class FarEnd {
  sent: ToEngine[] = [];
  deliver: (message: ToWindow) => void = () => undefined;
  end: (reason: string) => void = () => undefined;
  closed = false;

  readonly connection: Connection = {
    shell: { host: 'web' } as Shell,
    transport: {
      send: (message) => {
        this.sent.push(message);
        // The handshake answers itself.
        if (message.type === 'request' && message.name === 'hello' && this.answersHello) {
          this.reply(message.id, { contract: 1, tool: 'test', state: emptyState });
        }
      },
      onMessage: (listener) => {
        this.deliver = listener;
        return () => undefined;
      },
      onClose: (listener) => {
        this.end = listener;
        return () => undefined;
      },
      close: () => {
        this.closed = true;
      },
    },
  };

  constructor(readonly answersHello = true) {}

  reply(id: number, result: unknown) {
    this.deliver({ type: 'reply', id, result });
  }
  event(name: string, payload: unknown) {
    this.deliver({ type: 'event', name, payload });
  }
  lastId(): number {
    return this.sent[this.sent.length - 1]!.id;
  }
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: AppError) => error.code,
  );

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function opened() {
  const far = new FarEnd();
  const client = new EngineClient(async () => far.connection);
  const states: string[] = [];
  client.onConnection(({ status }) => states.push(status));
  await settle();
  return { far, client, states };
}

describe('requests', () => {
  it('are sent, counted, and answered in their own shape', async () => {
    const { far, client } = await opened();
    const ids: number[] = [];
    const asked = client.request('run.threshold', { tokens: 5 }, { onId: (id) => ids.push(id) });
    expect(client.pendingRequests()).toBe(1);
    expect(far.sent[far.sent.length - 1]).toEqual({
      type: 'request',
      id: ids[0],
      name: 'run.threshold',
      params: { tokens: 5 },
    });
    far.reply(far.lastId(), { tokens: 5, more: 'is left out' });
    expect(await asked).toEqual({ tokens: 5 });
    expect(client.pendingRequests()).toBe(0);
  });

  it('with wrong parameters are not sent; a reply of another shape is an error', async () => {
    const { far, client } = await opened();
    const before = far.sent.length;
    expect(await codeOf(client.request('run.threshold', { tokens: -1 }))).toBe('usage');
    expect(far.sent).toHaveLength(before);
    const asked = codeOf(client.request('run.threshold', { tokens: 1 }));
    far.reply(far.lastId(), { tokens: 'one' });
    expect(await asked).toBe('internal');
    expect(client.pendingRequests()).toBe(0);
  });

  it('fail with the error of the engine', async () => {
    const { far, client } = await opened();
    const asked = client.request('run.pause', {});
    far.deliver({ type: 'error', id: far.lastId(), error: { code: 'wrong-state', message: 'no', remedy: 'do' } });
    await expect(asked).rejects.toMatchObject({ code: 'wrong-state', message: 'no', remedy: 'do' });
  });

  it('can be cancelled, before and while they run', async () => {
    const { far, client } = await opened();
    const abort = new AbortController();
    const asked = codeOf(client.request('checkpoint.open', { path: 'x' }, { signal: abort.signal }));
    const id = far.lastId();
    abort.abort();
    expect(far.sent[far.sent.length - 1]).toEqual({ type: 'cancel', id });
    expect(client.pendingRequests()).toBe(1); // until the engine has ended it
    far.deliver({ type: 'error', id, error: { code: 'cancelled', message: 'x' } });
    expect(await asked).toBe('cancelled');
    const before = far.sent.length;
    expect(await codeOf(client.request('run.pause', {}, { signal: abort.signal }))).toBe('cancelled');
    expect(far.sent).toHaveLength(before);
  });

  it('get their own progress', async () => {
    const { far, client } = await opened();
    const seen: number[] = [];
    const all: number[] = [];
    client.on('progress', ({ done }) => all.push(done));
    const asked = client.request('checkpoint.open', { path: 'x' }, { onProgress: ({ done }) => seen.push(done) });
    asked.catch(() => undefined);
    far.event('progress', { request: far.lastId(), label: 'x', done: 1, total: 2 });
    far.event('progress', { request: far.lastId() + 1, label: 'x', done: 7, total: 8 });
    expect(seen).toEqual([1]);
    expect(all).toEqual([1, 7]);
  });
});

describe('events', () => {
  it('are parsed; what does not fit is a failure and not an exception', async () => {
    const { far, client } = await opened();
    const failures: string[] = [];
    const totals: number[] = [];
    client.on('failure', ({ message }) => failures.push(message));
    const off = client.on('batches', ({ total }) => totals.push(total));
    far.event('batches', { rows: [], total: 3, dropped: 0 });
    far.event('batches', { rows: 'none' });
    far.event('surprise', {});
    off();
    far.event('batches', { rows: [], total: 4, dropped: 0 });
    expect(totals).toEqual([3]);
    expect(failures).toHaveLength(2);
    expect(failures[1]).toContain('surprise');
  });
});

describe('the connection', () => {
  it('engine-gone ends what is pending, keeps the link, and ends with the next state', async () => {
    const { far, client, states } = await opened();
    const reasons: string[] = [];
    client.onClose((reason) => reasons.push(reason));
    const asked = codeOf(client.request('run.pause', {}));
    far.event('failure', { code: 'engine-gone', message: 'It ended.' });
    expect(await asked).toBe('engine-gone');
    expect(client.state).toMatchObject({ status: 'engine-gone', error: { message: 'It ended.' } });
    expect(reasons).toEqual(['It ended.']);
    expect(client.shell.host).toBe('web');
    expect(await codeOf(client.request('run.pause', {}))).toBe('engine-gone');
    far.event('state', emptyState);
    expect(states.slice(-2)).toEqual(['engine-gone', 'open']);
    expect(far.closed).toBe(false);
  });

  it('is made again after it was lost, less and less often', async () => {
    const ends: FarEnd[] = [];
    let up = true;
    const client = new EngineClient(async () => {
      if (!up) throw new AppError({ code: 'engine-gone', message: 'Nobody there.' });
      ends.push(new FarEnd());
      return ends[ends.length - 1]!.connection;
    });
    await settle();
    expect(client.state.status).toBe('open');
    const asked = codeOf(client.request('run.pause', {}));
    up = false;
    ends[0]!.end('The server cannot be reached.');
    expect(await asked).toBe('engine-gone');
    const waits: (number | null)[] = [];
    for (let i = 0; i < 6; i++) {
      const { state } = client;
      if (state.status !== 'closed') throw new Error(state.status);
      waits.push(state.retryMs);
      await vi.advanceTimersByTimeAsync(state.retryMs ?? 0);
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 5000, 5000]);
    up = true;
    await vi.advanceTimersByTimeAsync(5000);
    expect(client.state.status).toBe('open');
    expect(ends).toHaveLength(2);
  });

  it('is not tried again when the token is wrong or the contract is another', async () => {
    const connect = vi.fn(async () => {
      throw new AppError({ code: 'unauthorized', message: 'No.' });
    });
    const client = new EngineClient(connect);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connect).toHaveBeenCalledTimes(1);
    expect(client.state).toMatchObject({ status: 'closed', retryMs: null, error: { code: 'unauthorized' } });

    const far = new FarEnd(false);
    const other = new EngineClient(async () => far.connection);
    await settle();
    far.deliver({ type: 'error', id: far.lastId(), error: { code: 'unsupported', message: 'Contract 2.' } });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(other.state).toMatchObject({ status: 'closed', retryMs: null });
    expect(far.closed).toBe(true);
  });

  it('ends for good with close', async () => {
    const { far, client } = await opened();
    const asked = codeOf(client.request('run.pause', {}));
    client.close();
    expect(await asked).toBe('cancelled');
    expect(far.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.state.status).toBe('closed');
  });
});
