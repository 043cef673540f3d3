import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forkEngine } from '../../electron/hosts/fork-process';
import { EngineSupervisor } from '../../electron/hosts/supervisor';
import { maxMessageBytes, messageBurst, startWebServer, type WebServer } from '../../electron/hosts/web-server';
import { buildFakeProcess } from './fake/build';
import { neverAnswered } from './fake/engine';
import { openWindow, type Visit } from './fake/window';

let fake: Awaited<ReturnType<typeof buildFakeProcess>>;
let engine: EngineSupervisor;
let server: WebServer;
let folder: string;

beforeAll(async () => {
  fake = await buildFakeProcess();
  folder = mkdtempSync(join(tmpdir(), 'moescope-site-'));
  mkdirSync(join(folder, 'site', 'assets'), { recursive: true });
  writeFileSync(join(folder, 'site', 'index.html'), '<!doctype html><title>window</title>');
  writeFileSync(join(folder, 'site', 'assets', 'a b.js'), 'export {};');
  writeFileSync(join(folder, 'secret.js'), 'secret');
  writeFileSync(join(folder, 'site', 'key.pem'), 'not a file of a window');
  symlinkSync(join(folder, 'secret.js'), join(folder, 'site', 'link.js'));
  engine = new EngineSupervisor(() => forkEngine(fake.entry));
  server = await startWebServer({ port: 0, bundle: join(folder, 'site'), engine, version: '1.2.3' });
});
afterAll(async () => {
  await server.close();
  await engine.stop();
  fake.remove();
  rmSync(folder, { recursive: true });
});

/** By hand, because fetch tidies paths up and sets Host itself. */
function get(path: string, { host = `127.0.0.1:${server.port}`, method = 'GET' } = {}) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((done, failed) => {
    const asked = request({ host: '127.0.0.1', port: server.port, path, method, headers: { host } }, (response) => {
      let body = '';
      response.on('data', (part) => {
        body += String(part);
      });
      response.on('end', () => done({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    asked.on('error', failed);
    asked.end();
  });
}

const token = () => new URL(server.url).hash.replace('#token=', '');
const own = () => `http://127.0.0.1:${server.port}`;
const visit = (change: Partial<Visit> = {}) =>
  openWindow({ port: server.port, token: token(), origin: own(), ...change });

describe('files', () => {
  it('are served with their type and strict headers, without a token', async () => {
    const index = await get('/');
    expect(index).toMatchObject({ status: 200, body: '<!doctype html><title>window</title>' });
    expect(index.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
    });
    const policy = String(index.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`connect-src 'self' ws://127.0.0.1:${server.port};`);
    expect(policy).not.toContain('unsafe');
    expect((await get('/assets/a%20b.js?v=1')).headers['content-type']).toBe('text/javascript; charset=utf-8');
    expect(JSON.parse((await get('/health')).body)).toEqual({ status: 'ok', version: '1.2.3' });
  });

  it.each([
    '/../secret.js',
    '/%2e%2e/secret.js',
    '/assets/../../secret.js',
    '/assets/%2e%2e%2f%2e%2e%2fsecret.js',
    '/..%5csecret.js',
    '//secret.js/../../secret.js',
    '/%00index.html',
    '/%zz',
    '/link.js',
    '/key.pem',
    '/assets',
    '/assets/',
    '/missing.js',
  ])('%s is not there', async (path) => {
    expect(await get(path)).toMatchObject({ status: 404, body: 'There is no such file.\n' });
  });

  it.each(['evil.example', 'evil.example:1', '127.0.0.1.evil.example', '192.168.0.1', 'localhost:1x'])(
    'Host "%s" is refused',
    async (host) => {
      expect((await get('/', { host })).status).toBe(403);
    },
  );

  it('a name longer than the file system takes is not there', async () => {
    expect((await get(`/${'a'.repeat(5000)}.js`)).status).toBe(404);
  });

  it('localhost and a forwarded port are fine', async () => {
    expect((await get('/', { host: 'localhost:9999' })).status).toBe(200);
  });

  it('only GET and HEAD', async () => {
    expect((await get('/', { method: 'POST' })).status).toBe(405);
    expect(await get('/', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });
});

describe('the way to the engine', () => {
  it('tokens are long and differ; the address keeps it in the fragment', async () => {
    expect(token()).toMatch(/^[\w-]{32}$/);
    expect(new URL(server.url).search).toBe('');
  });

  it.each([
    ['wrong', () => ({ token: 'x'.repeat(32) })],
    ['empty', () => ({ token: '' })],
    ['a part of it', () => ({ token: token().slice(0, -1) })],
    ['absent', () => ({ protocols: ['moescope.1'] })],
    ['without our protocol', () => ({ protocols: [`token.${token()}`] })],
  ])('token %s: closed with 4401 and nothing else', async (_, change) => {
    // Without our protocol the client itself refuses, as a browser does.
    const window = await visit(change()).catch((error: Error) => error);
    if (window instanceof Error) {
      expect(window.message).toContain('subprotocol');
      return;
    }
    expect(await window.closed).toEqual({ code: 4401, reason: 'wrong token' });
    expect(window.got).toEqual([]);
  });

  it.each([
    ['of another site', { origin: 'https://evil.example' }],
    ['of another port', { origin: 'http://127.0.0.1:1' }],
    ['null', { origin: 'null' }],
    ['absent', { origin: undefined }],
    ['of the same host by https', { origin: 'https://127.0.0.1' }],
  ])('origin %s: refused', async (_, change) => {
    await expect(visit(change)).rejects.toThrow('HTTP 403');
  });

  it('a rebound name is refused even when origin and host agree', async () => {
    await expect(visit({ host: 'evil.example:80', origin: 'http://evil.example:80' })).rejects.toThrow('HTTP 403');
  });

  it('another path is refused', async () => {
    await expect(visit({ path: '/' })).rejects.toThrow('HTTP 403');
  });

  it('a window behind a forwarded port is let in', async () => {
    const window = await visit({ host: 'localhost:9999', origin: 'http://localhost:9999' });
    expect(await window.event('state')).toMatchObject({ state: 'empty' });
    window.socket.close();
  });

  it('typed arrays arrive', async () => {
    const window = await visit();
    window.send({ type: 'request', id: 1, name: 'tensor.histogram', params: { id: 'x', plane: 3 } });
    const { result } = (await window.answer(1)) as { result: { counts: Float64Array } };
    expect(result.counts).toBeInstanceOf(Float64Array);
    expect(result.counts[255]).toBe(258);
    window.socket.close();
  });

  it('two windows: replies to the one that asked, events to both, the same number does no harm', async () => {
    const [one, two] = [await visit(), await visit()];
    one.send({ type: 'request', id: 1, name: 'run.threshold', params: { tokens: 77 } });
    two.send({ type: 'request', id: 1, name: 'tensor.histogram', params: { id: 'x', plane: 0 } });
    expect(await one.answer(1)).toMatchObject({ result: { tokens: 77 } });
    expect(await two.answer(1)).toMatchObject({ result: { counts: expect.any(Float64Array) } });
    for (const window of [one, two]) {
      const seen = window.got.some(
        (message) =>
          message.type === 'event' &&
          message.name === 'state' &&
          JSON.stringify(message.payload).includes('"tokens":77'),
      );
      expect(seen).toBe(true);
      window.socket.close();
    }
  });

  it('a message that is too long closes the window with 1009', async () => {
    const window = await visit();
    window.send({ type: 'request', id: 1, name: 'hello', params: { contract: 1, pad: 'x'.repeat(maxMessageBytes) } });
    expect((await window.closed).code).toBe(1009);
  });

  it('too many messages close the window with 1008', async () => {
    const window = await visit();
    for (let i = 0; i <= messageBurst * 1.5; i++) window.send({ type: 'taken', count: 1 });
    expect(await window.closed).toEqual({ code: 1008, reason: 'too many messages' });
  });

  it.each([
    ['text', (window: Awaited<ReturnType<typeof visit>>) => window.socket.send('{}')],
    ['no message', (window: Awaited<ReturnType<typeof visit>>) => window.socket.send(Buffer.from([0xc1]))],
  ])('%s closes the window with 1007', async (_, send) => {
    const window = await visit();
    send(window);
    expect((await window.closed).code).toBe(1007);
  });

  it('the shell: about, and what only a desktop has', async () => {
    const window = await visit();
    window.send({ type: 'request', id: -1, name: 'shell.about', params: {} });
    window.send({ type: 'request', id: -2, name: 'shell.pickFolder', params: { title: 'x' } });
    expect(await window.answer(-1)).toMatchObject({ result: { host: 'web', version: '1.2.3' } });
    expect(await window.answer(-2)).toMatchObject({ type: 'error', error: { code: 'unsupported' } });
    window.socket.close();
  });

  it('the engine dies: engine-gone with what was running, restart from a window, all windows are back', async () => {
    const [one, two] = [await visit(), await visit()];
    one.send({ type: 'request', id: 1, name: neverAnswered, params: { path: 'x' } });
    await one.event('state');
    two.send({ type: 'request', id: 1, name: 'run.pause', params: {} });
    expect(await one.answer(1)).toMatchObject({ type: 'error', error: { code: 'engine-gone' } });
    expect(await two.event('failure')).toMatchObject({
      code: 'engine-gone',
      message: expect.stringContaining('SIGSEGV'),
    });
    const late = await visit();
    expect(await late.event('failure')).toMatchObject({ code: 'engine-gone' });
    two.send({ type: 'request', id: 2, name: 'hello', params: { contract: 1 } });
    expect(await two.answer(2)).toMatchObject({ type: 'error', error: { code: 'engine-gone' } });
    for (const window of [one, two]) window.got.splice(0);
    two.send({ type: 'request', id: -1, name: 'shell.restartEngine', params: {} });
    expect(await two.answer(-1)).toMatchObject({ type: 'reply' });
    for (const window of [one, two, late]) {
      expect(await window.event('state')).toMatchObject({ state: 'empty' });
      window.socket.close();
    }
  });

  it('a port in use is one clear error', async () => {
    const second = startWebServer({ port: server.port, bundle: folder, engine, version: '1' });
    await expect(second).rejects.toMatchObject({ code: 'bad-option', subject: '--port', found: String(server.port) });
  });
});
