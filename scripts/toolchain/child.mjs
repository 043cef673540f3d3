// Children that can neither hang the caller nor outlive it: no stdin, output to a file, own process group, hard limit.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryFolder } from './places.mjs';

const running = new Set();

/** The output lands in logs and error messages, where colour codes are noise. */
const plain = ({ FORCE_COLOR: _, ...env }) => ({ ...env, NO_COLOR: '1' });

function endGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    // ESRCH: the whole group is already gone, which is what was wanted.
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Ends every child that is still running, with all its descendants. */
export function endAllChildren() {
  for (const child of running) endGroup(child, 'SIGKILL');
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.once(signal, () => {
    endAllChildren();
    process.exit(code);
  });
}

/**
 * Runs a program to its end.
 *
 * Output goes to a file that is copied on to this process as it grows: a grandchild (Electron's zygotes do this) may keep
 * a pipe open for ever, but it cannot keep a file from being read. When the program ends, what it left in its process
 * group is killed.
 * @param {string} program
 * @param {string[]} args
 * @param {{ limitS: number, env?: object, cwd?: string, quiet?: boolean, onText?: (text: string) => void }} options
 *   limitS: hard limit, seconds; quiet: not copied to our stdout; onText: hears each new piece of output.
 * @returns {Promise<{ code: number | null, signal: string | null, timedOut: boolean, seconds: number, output: string }>}
 *   `code` is null when a signal ended it; `output` is stdout and stderr together.
 * @throws Error when the program cannot be started.
 */
export async function runChild(program, args, { limitS, env = process.env, cwd = repository, quiet = false, onText }) {
  const file = join(temporaryFolder(), 'output.log');
  const write = openSync(file, 'w');
  const read = openSync(file, 'r');
  const started = Date.now();
  const child = spawn(program, args, { cwd, env: plain(env), stdio: ['ignore', write, write], detached: true });
  closeSync(write);
  running.add(child);

  const chunk = Buffer.alloc(65536);
  const parts = [];
  const copy = () => {
    for (
      let n = readSync(read, chunk, 0, chunk.length, null);
      n > 0;
      n = readSync(read, chunk, 0, chunk.length, null)
    ) {
      const part = Buffer.from(chunk.subarray(0, n));
      parts.push(part);
      if (!quiet) process.stdout.write(part);
      onText?.(part.toString('utf8'));
    }
  };
  const ticker = setInterval(copy, 150);
  let timedOut = false;
  const limit = setTimeout(() => {
    timedOut = true;
    endGroup(child, 'SIGKILL');
  }, limitS * 1000);

  try {
    const [code, signal] = await new Promise((done, failed) => {
      child.once('error', failed);
      child.once('exit', (...end) => done(end));
    });
    endGroup(child, 'SIGKILL');
    copy();
    return {
      code,
      signal,
      timedOut,
      seconds: (Date.now() - started) / 1000,
      output: Buffer.concat(parts).toString('utf8'),
    };
  } finally {
    clearInterval(ticker);
    clearTimeout(limit);
    running.delete(child);
    closeSync(read);
  }
}

/** How a finished child ended, in words; undefined when it ended well. */
export function failureOf({ code, signal, timedOut, seconds }) {
  if (timedOut) return `was stopped after ${Math.round(seconds)} s (its limit)`;
  if (signal) return `was ended by ${signal}`;
  return code === 0 ? undefined : `ended with exit code ${code}`;
}

/** Keeps a long-lived child (a display, a server) in the set that is ended with this process. */
export function startChild(program, args, options) {
  const child = spawn(program, args, { cwd: repository, detached: true, ...options });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return { child, end: () => endGroup(child, 'SIGTERM') };
}
