import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ensureCutlass } from './cutlass.mjs';

const folder = mkdtempSync(join(tmpdir(), 'moescope-cutlass-'));
const { CUTLASS_DIR, PATH, XDG_CACHE_HOME } = process.env;

/** An undefined value assigned to process.env would become the text "undefined". */
function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

afterEach(() => {
  restore('CUTLASS_DIR', CUTLASS_DIR);
  restore('PATH', PATH);
  restore('XDG_CACHE_HOME', XDG_CACHE_HOME);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A program named python3 in a folder of its own: what pip is to the script. */
function pretendPython(name: string, script: string): string {
  const bin = join(folder, name);
  mkdirSync(bin);
  writeFileSync(join(bin, 'python3'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return bin;
}

describe('the CUTLASS headers', () => {
  it('are those of CUTLASS_DIR where it names a folder of headers', async () => {
    const own = join(folder, 'own');
    mkdirSync(join(own, 'cutlass'), { recursive: true });
    writeFileSync(join(own, 'cutlass', 'version.h'), '');
    process.env.CUTLASS_DIR = own;
    expect(await ensureCutlass()).toEqual([own]);
  });

  it('are asked for by name where CUTLASS_DIR holds none', async () => {
    process.env.CUTLASS_DIR = join(folder, 'nothing');
    await expect(ensureCutlass()).rejects.toThrow(
      /CUTLASS_DIR names .*nothing.* holds cutlass\/version\.h; none there/,
    );
  });

  it('of a wheel with another hash are not used', async () => {
    delete process.env.CUTLASS_DIR;
    process.env.XDG_CACHE_HOME = join(folder, 'cache-hash');
    // The wheel lands in the folder after --dest.
    const bin = pretendPython('other-wheel', 'while [ "$1" != --dest ]; do shift; done; echo other > "$2/other.whl"');
    process.env.PATH = `${bin}:${PATH}`;
    await expect(ensureCutlass()).rejects.toThrow(/other\.whl: sha256 is [0-9a-f]{64}, expected f9599ada.*; not used/);
  });

  it('that pip cannot get are an error that says what to do', async () => {
    delete process.env.CUTLASS_DIR;
    process.env.XDG_CACHE_HOME = join(folder, 'cache-offline');
    process.env.PATH = `${pretendPython('offline', 'echo no matching distribution; exit 1')}:${PATH}`;
    await expect(ensureCutlass()).rejects.toThrow(
      /no matching distribution[\s\S]*PyPI must be reachable .* CUTLASS_DIR/,
    );
  });
});
