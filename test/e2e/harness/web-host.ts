import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Browser } from '@playwright/test';
import type { Launch, RunningHost } from './host';
import { repository } from './prepared';
import { appEnvironment, windowSize } from './rendering';

interface Server {
  url: string;
  pid: number | undefined;
  output(): string;
  close(): void;
}

/** Starts `moescope serve` on a free port; its first JSON line with event `listening` carries the address and its token. */
async function startServer({ open, folder }: Launch): Promise<Server> {
  const launcher = join(repository, 'electron/cli/bin.mjs');
  // Nothing runs until a spec says so, as in Electron's test mode: what the window shows is then the same every time.
  const options = ['--port', '0', '--json', '--demo-batches', '0'];
  const args = [launcher, 'serve', ...(open === undefined ? [] : [open]), ...options];
  const child = spawn(process.execPath, args, {
    cwd: repository,
    env: appEnvironment(folder),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const lines: string[] = [];
  child.stderr.on('data', (part) => lines.push(String(part)));
  const close = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, 'SIGKILL');
  };
  const url = await new Promise<string>((done, failed) => {
    const fail = (why: string) => {
      close();
      failed(new Error(`moescope serve ${why}\n${lines.join('\n')}`));
    };
    const limit = setTimeout(() => fail('named no address in 60 s'), 60_000);
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code, signal) => fail(`ended with ${signal ?? `exit code ${code}`}`));
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      const event = listening(line);
      if (event === undefined) return;
      clearTimeout(limit);
      done(event);
    });
  });
  return { url, pid: child.pid, output: () => lines.join('\n'), close };
}

/** The address in a `{"event":"listening","url":...}` line; undefined for any other line. */
function listening(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined;
  const message = JSON.parse(line) as { event?: unknown; url?: unknown };
  return message.event === 'listening' && typeof message.url === 'string' ? message.url : undefined;
}

/** The server forks one process: the engine's. Linux's own list of children. */
function childOf(pid: number | undefined): number | undefined {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return child ? Number(child) : undefined;
}

/** Starts the web host and opens its address in a new browser context. */
export async function startWebHost(launch: Launch, browser: Browser): Promise<RunningHost> {
  const server = await startServer(launch);
  const context = await browser.newContext({
    viewport: windowSize,
    deviceScaleFactor: 1,
    locale: 'en-US',
    timezoneId: 'UTC',
  });
  const close = async () => {
    await context.close();
    server.close();
  };
  try {
    const page = await context.newPage();
    await page.goto(server.url);
    return { page, electron: undefined, output: server.output, enginePid: async () => childOf(server.pid), close };
  } catch (error) {
    await close();
    throw new Error(`the window did not load over the web host\n${server.output()}`, { cause: error });
  }
}
