import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packAsar } from './asar.mjs';
import { failureOf, runChild } from './child.mjs';
import { withLock } from './lock.mjs';

const folder = mkdtempSync(join(tmpdir(), 'moescope-toolchain-'));
afterAll(() => rmSync(folder, { recursive: true }));

const node = (program: string, limitS: number) => runChild(process.execPath, ['-e', program], { limitS, quiet: true });

/** A process that has ended but was not collected by its parent (state Z) is not alive, though signals still find it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const status = `/proc/${pid}/stat`;
  return !existsSync(status) || !/\) Z /.test(readFileSync(status, 'utf8'));
}

describe('a child', () => {
  it('that ends well gives its output, stdout and stderr together', async () => {
    const run = await node('console.log("out"); console.error("err")', 30);
    expect(failureOf(run)).toBeUndefined();
    expect(run.output).toContain('out\n');
    expect(run.output).toContain('err\n');
  });

  it('that fails says with what', async () => {
    expect(failureOf(await node('process.exit(7)', 30))).toBe('ended with exit code 7');
    expect(failureOf(await node('process.kill(process.pid, "SIGKILL")', 30))).toBe('was ended by SIGKILL');
  });

  it('that hangs is stopped at its limit, with its own children, which do not hold us up', async () => {
    const pidFile = join(folder, 'grandchild');
    const program = `
      const { spawn } = require('node:child_process');
      const grandchild = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
      require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(grandchild.pid));
      setInterval(() => {}, 1000);`;
    const run = await node(program, 2);
    expect(failureOf(run)).toMatch(/stopped after 2 s/);
    expect(run.seconds).toBeLessThan(10);
    await expect.poll(() => isAlive(Number(readFileSync(pidFile, 'utf8'))), { timeout: 3000 }).toBe(false);
  });

  it('reads nothing from our standard input', async () => {
    const run = await node('process.stdin.on("end", () => console.log("closed")).resume()', 30);
    expect(run.output).toBe('closed\n');
  });
});

describe('a lock', () => {
  it('lets one in at a time', async () => {
    const lock = join(folder, 'one');
    let inside = 0;
    let most = 0;
    const work = () =>
      withLock(lock, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((done) => setTimeout(done, 20));
        inside -= 1;
      });
    await Promise.all([work(), work(), work()]);
    expect(most).toBe(1);
    expect(existsSync(lock)).toBe(false);
  });

  it('is taken over from a process that died', async () => {
    const lock = join(folder, 'dead');
    mkdirSync(lock);
    // Above the largest process id Linux gives out (2^22).
    writeFileSync(join(lock, 'pid'), '99999999');
    expect(await withLock(lock, async () => 'in')).toBe('in');
  });

  it('is not taken over from a living one', async () => {
    const lock = join(folder, 'alive');
    mkdirSync(lock);
    writeFileSync(join(lock, 'pid'), String(process.pid));
    await expect(withLock(lock, async () => 'in', { waitS: 0.3 })).rejects.toThrow(/another process has held .*alive/);
  });

  it('is free again after the work threw', async () => {
    const lock = join(folder, 'threw');
    await expect(withLock(lock, () => Promise.reject(new Error('work')))).rejects.toThrow('work');
    expect(existsSync(lock)).toBe(false);
  });
});

describe('an asar archive', () => {
  it('has a header of two pickles and the files where the header says', () => {
    const files = { 'package.json': '{"main":"a.cjs"}', 'a.cjs': 'grüße' };
    const archive = packAsar(files);
    expect(archive.readUInt32LE(0)).toBe(4);
    const headerBytes = archive.readUInt32LE(4);
    expect(archive.readUInt32LE(8)).toBe(headerBytes - 4);
    const header = JSON.parse(archive.subarray(16, 16 + archive.readUInt32LE(12)).toString());
    const content = Object.entries(header.files as Record<string, { size: number; offset: string }>).map(
      ([name, { size, offset }]) => {
        const start = 8 + headerBytes + Number(offset);
        return [name, archive.subarray(start, start + size).toString()];
      },
    );
    expect(Object.fromEntries(content)).toEqual(files);
    expect((8 + headerBytes) % 4).toBe(0);
  });
});
