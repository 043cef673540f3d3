import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltProcess, buildFakeServe } from './fake/build';
import { openWindow } from './fake/window';

let built: BuiltProcess;
const started: ChildProcess[] = [];
beforeAll(async () => {
  built = await buildFakeServe();
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});
afterAll(() => built.remove());

function serve(...args: string[]) {
  const child = spawn(process.execPath, [built.cli, 'serve', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  const lines: string[] = [];
  let heard: () => void = () => undefined;
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    heard();
  });
  child.stderr.on('data', (part) => {
    errors += String(part);
  });
  const ended = new Promise<{ code: number | null; errors: string }>((done) => {
    child.once('close', (code) => done({ code, errors }));
  });
  const line = async (find: (text: string) => boolean): Promise<string> => {
    for (;;) {
      const found = lines.find(find);
      if (found !== undefined) return found;
      await new Promise<void>((done) => {
        heard = done;
      });
    }
  };
  return { child, lines, line, ended };
}

/** Processes of this machine that run the engine process of this test. */
function engines(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(built.entry) ? [Number(name)] : [];
    } catch {
      return []; // ended while we looked
    }
  });
}
async function noEngines() {
  const until = Date.now() + 10_000;
  while (engines().length > 0 && Date.now() < until) await new Promise((done) => setTimeout(done, 20));
  return engines();
}

describe('moescope serve', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s ends everything', async (signal) => {
    const { child, line, ended } = serve('--port', '0', '--json');
    const first = JSON.parse(await line(() => true)) as { event: string; url: string; port: number };
    expect(first).toMatchObject({
      event: 'listening',
      url: `http://127.0.0.1:${first.port}/${new URL(first.url).hash}`,
    });
    const token = new URL(first.url).hash.replace('#token=', '');
    const window = await openWindow({ port: first.port, token, origin: `http://127.0.0.1:${first.port}` });
    await window.event('state');
    expect(engines()).toHaveLength(1);
    child.kill(signal);
    expect((await ended).code).toBe(0);
    expect(engines()).toEqual([]);
  });

  it('without --json ends its text with the address', async () => {
    const { line, lines } = serve('--port', '0');
    await line((text) => text.includes('Ctrl-C'));
    expect(lines).toEqual([
      '',
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{32}$/),
      'Ctrl-C ends it.',
    ]);
  });

  it('leaves no engine behind when it is killed', async () => {
    const { child, line, ended } = serve('--port', '0', '--json');
    await line(() => true);
    await expect.poll(engines).toHaveLength(1);
    child.kill('SIGKILL');
    await ended;
    expect(await noEngines()).toEqual([]);
  });

  it('a port in use is exit code 2 and one message', async () => {
    const first = serve('--port', '0', '--json');
    const { port } = JSON.parse(await first.line(() => true)) as { port: number };
    const second = serve('--port', String(port));
    const { code, errors } = await second.ended;
    expect(code).toBe(2);
    expect(errors).toContain(`Port ${port} is already in use.`);
    const third = serve('--port', String(port), '--json');
    const error = JSON.parse(await third.line(() => true)) as object;
    expect(error).toMatchObject({ event: 'error', error: { code: 'bad-option', subject: '--port' } });
    expect((await third.ended).code).toBe(2);
  });

  it('a path that cannot be opened ends it with the message of the engine', async () => {
    const { ended } = serve('/nowhere', '--port', '0');
    const { code, errors } = await ended;
    expect(errors).toContain('no checkpoint.open');
    expect(code).toBe(2);
  });
});
