import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../electron/contract/errors';
import type { ToWindow } from '../../electron/contract/messages';
import { forkEngine } from '../../electron/hosts/fork-process';
import { HostClient } from '../../electron/hosts/host-client';
import { EngineSupervisor } from '../../electron/hosts/supervisor';
import { buildFakeProcess } from './fake/build';
import { neverAnswered } from './fake/engine';

let fake: Awaited<ReturnType<typeof buildFakeProcess>>;
const supervisors: EngineSupervisor[] = [];

beforeAll(async () => {
  fake = await buildFakeProcess();
});
afterAll(() => fake.remove());
afterEach(() => Promise.all(supervisors.splice(0).map((supervisor) => supervisor.stop())));

function start(args: string[] = []): EngineSupervisor {
  const supervisor = new EngineSupervisor(() => forkEngine(fake.entry, args));
  supervisors.push(supervisor);
  return supervisor;
}
const clientOf = (supervisor: EngineSupervisor) => new HostClient((deliver) => supervisor.connect(deliver));
const failureOf = (request: Promise<unknown>): Promise<AppError> =>
  request.then(
    () => Promise.reject(new Error('it did not fail')),
    (error) => AppError.from(error),
  );

/** A window that keeps what it gets and says nothing by itself. */
function rawWindow(supervisor: EngineSupervisor) {
  const got: ToWindow[] = [];
  const link = supervisor.connect((message) => got.push(message));
  const until = async (found: (message: ToWindow) => boolean) => {
    while (!got.some(found)) await new Promise((done) => setTimeout(done, 5));
  };
  return { got, link, until };
}

describe('an engine in a forked process', () => {
  it('answers, and typed arrays arrive as they are', async () => {
    const client = clientOf(start());
    expect((await client.hello()).tool).toBe('fake');
    const { counts } = await client.request('tensor.histogram', { id: 'x', plane: 7 });
    expect(counts).toBeInstanceOf(Float64Array);
    expect([...counts]).toEqual(Array.from({ length: 256 }, (_, i) => i + 7));
  });

  it('tells every window what happens, and each only its own progress', async () => {
    const supervisor = start();
    const [one, two] = [clientOf(supervisor), clientOf(supervisor)];
    const seen = { state: 0, one: [] as number[], two: 0 };
    const moved = new Promise<number>((done) =>
      two.on('state', ({ threshold }) => threshold.tokens === 64 && done(64)),
    );
    one.on('progress', ({ request }) => seen.one.push(request));
    two.on('progress', () => seen.two++);
    await one.hello();
    await one.request('batches.rows', { first: 0, count: 1 });
    expect(seen.one).toEqual([2]); // the second request of this window, whatever its number is in the engine
    await one.request('run.threshold', { tokens: 64 });
    expect(await moved).toBe(64);
    expect(seen.two).toBe(0);
  });

  it('gives a new window the state first', async () => {
    const window = rawWindow(start());
    await window.until(() => true);
    expect(window.got[0]).toMatchObject({ type: 'event', name: 'state', payload: { state: 'empty' } });
  });

  it('counts what a window has not taken, and spares it batches while it is slow', async () => {
    const supervisor = start();
    const { got, link, until } = rawWindow(supervisor);
    await until(() => true);
    link.send({ type: 'request', id: 1, name: 'batches.rows', params: { first: 0, count: 40 } });
    await until((message) => message.type === 'reply');
    const batches = () => got.filter((message) => message.type === 'event' && message.name === 'batches');
    // state, progress and 14 batches fill the 16 places; the other 26 are left out and the backlog says 16.
    expect(batches()).toHaveLength(14);
    expect(got[got.length - 1]).toMatchObject({ type: 'reply', result: { total: 16 } });
    link.send({ type: 'taken', count: got.length });
    link.send({ type: 'request', id: 2, name: 'batches.rows', params: { first: 0, count: 1 } });
    await until((message) => message.type === 'reply' && message.id === 2);
    // 26 events with one dropped row each, and its own.
    expect(batches()[14]).toMatchObject({ payload: { dropped: 27 } });
  });

  it('cancels what a window asked for, by its own number and when it goes', async () => {
    const supervisor = start();
    const window = rawWindow(supervisor);
    window.link.send({ type: 'request', id: 5, name: neverAnswered, params: { path: 'x' } });
    window.link.send({ type: 'cancel', id: 5 });
    await window.until((message) => message.type === 'error' && message.id === 5);
    expect(window.got).toContainEqual({ type: 'error', id: 5, error: { code: 'cancelled', message: 'Cancelled.' } });
  });

  it('refuses what is not in the contract', async () => {
    const window = rawWindow(start());
    window.link.send({ type: 'request', id: 9, name: 12 });
    window.link.send('nonsense');
    window.link.send(null);
    await window.until((message) => message.type === 'error');
    expect(window.got.find((message) => message.type === 'error')).toMatchObject({ id: 9, error: { code: 'usage' } });
  });

  it.each([
    ['a signal', 'run.pause', 'signal SIGSEGV', undefined],
    ['an uncaught error', 'run.reset', 'exit code 5', 'The device was lost'],
  ] as const)('%s: says engine-gone with what was running, and restarts', async (_, request, how, said) => {
    const supervisor = start();
    const [client, other] = [clientOf(supervisor), clientOf(supervisor)];
    const told = new Promise<{ message: string }>((done) => other.on('failure', done));
    await client.request('run.start', {});
    const waiting = failureOf(other.request(neverAnswered, { path: 'x' }));
    await other.hello();
    const error = await failureOf(client.request(request, {}));
    expect(error.code).toBe('engine-gone');
    expect(error.message).toContain(how);
    for (const name of [request, neverAnswered, 'batches']) expect(error.message).toContain(name);
    if (said !== undefined) expect(error.message).toContain(said);
    expect((await waiting).code).toBe('engine-gone');
    expect((await told).message).toBe(error.message);
    expect((await failureOf(client.hello())).code).toBe('engine-gone');

    const back = new Promise<string>((done) => other.on('state', ({ state }) => done(state)));
    supervisor.restart();
    expect(await back).toBe('empty');
    expect((await client.hello()).state.state).toBe('empty');
  });

  it('answers every request with why, when the engine cannot be loaded', async () => {
    const supervisor = start(['--no-addon']);
    const client = clientOf(supervisor);
    const error = await failureOf(client.hello());
    expect(error).toMatchObject({ code: 'unsupported', message: 'The native addon could not be loaded.' });
    expect(supervisor.failure).toBeUndefined();
    const window = rawWindow(supervisor);
    await window.until((message) => message.type === 'event' && message.name === 'failure');
  });

  it('ends an engine that does not listen any more', async () => {
    const supervisor = new EngineSupervisor(() => forkEngine(fake.entry), { graceMs: 200 });
    const client = clientOf(supervisor);
    await client.hello();
    const hung = failureOf(client.request('session.close', {}));
    await new Promise((done) => setTimeout(done, 50));
    await supervisor.stop(); // would never end if the engine were only asked
    client.close();
    expect((await hung).code).toBe('cancelled');
  });
});
