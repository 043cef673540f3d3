import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { checkCudaLibrary, kernelsOf } from './cuda-library.mjs';
import { filesOf } from './nvcc-cache.mjs';

const folder = mkdtempSync(join(tmpdir(), 'moescope-cuda-build-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

/** A 64-bit ELF file of named sections, which is all that is read of one. */
function elf(sections: Record<string, Buffer>): Buffer {
  const all = Object.entries({ ...sections, '.shstrtab': Buffer.alloc(0) });
  const names = Buffer.from(all.map(([name]) => `${name}\0`).join(''), 'latin1');
  const bodies = all.map(([name, body]) => (name === '.shstrtab' ? names : body));
  const head = Buffer.alloc(64);
  head.writeUInt32BE(0x7f454c46, 0);
  let offset = head.length;
  const headers = bodies.map((body, i) => {
    const header = Buffer.alloc(64);
    header.writeUInt32LE(names.indexOf(`${all[i]?.[0]}\0`, 0, 'latin1'), 0);
    header.writeBigUInt64LE(BigInt(offset), 0x18);
    header.writeBigUInt64LE(BigInt(body.length), 0x20);
    offset += body.length;
    return header;
  });
  head.writeBigUInt64LE(BigInt(offset), 0x28);
  head.writeUInt16LE(64, 0x3a);
  head.writeUInt16LE(headers.length, 0x3c);
  head.writeUInt16LE(headers.length - 1, 0x3e);
  return Buffer.concat([head, ...bodies, ...headers]);
}

function fatbin(kernels: { sm: number; name: string; bytes: number }[]): Buffer {
  const entries = kernels.map(({ sm, name, bytes }) => {
    const cubin = elf({ [`.text.${name}`]: Buffer.alloc(bytes), '.nv.info': Buffer.alloc(8) });
    const header = Buffer.alloc(64);
    header.writeUInt16LE(2, 0);
    header.writeUInt32LE(64, 4);
    header.writeBigUInt64LE(BigInt(cubin.length), 8);
    header.writeUInt32LE(sm, 28);
    return Buffer.concat([header, cubin]);
  });
  const body = Buffer.concat(entries);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(0xba55ed50, 0);
  head.writeUInt16LE(16, 6);
  head.writeBigUInt64LE(BigInt(body.length), 8);
  return Buffer.concat([head, body, Buffer.alloc(8)]);
}

const library = (...binaries: Parameters<typeof fatbin>[0][]) =>
  elf({ '.text': Buffer.alloc(16), '.nv_fatbin': Buffer.concat(binaries.map(fatbin)) });

describe('what is in a cuda library', () => {
  it('every kernel of every fat binary is seen', () => {
    const file = library(
      [{ sm: 90, name: 'fc1', bytes: 4096 }],
      [
        { sm: 90, name: 'fc2', bytes: 2048 },
        { sm: 120, name: 'fc2', bytes: 1024 },
      ],
    );
    expect(kernelsOf(file)).toEqual([
      { sm: 90, kernel: 'fc1', bytes: 4096 },
      { sm: 90, kernel: 'fc2', bytes: 2048 },
      { sm: 120, kernel: 'fc2', bytes: 1024 },
    ]);
    expect(kernelsOf(elf({ '.text': Buffer.alloc(16) }))).toEqual([]);
  });

  it('a missing architecture and an empty kernel are refused by name', () => {
    const path = at('library.so');
    writeFileSync(path, library([{ sm: 90, name: 'fc1', bytes: 4096 }]));
    expect(checkCudaLibrary(path, [90])).toBe('1 kernels for sm_90');
    expect(() => checkCudaLibrary(path, [90, 120])).toThrow('has no kernel for sm_120');
    writeFileSync(
      path,
      library([
        { sm: 90, name: 'fc1', bytes: 4096 },
        { sm: 120, name: 'fc1', bytes: 256 },
      ]),
    );
    expect(() => checkCudaLibrary(path, [90, 120])).toThrow(/1 empty kernels.*sm_120 fc1/);
  });
});

describe('the cache of objects', () => {
  const cache = fileURLToPath(new URL('nvcc-cache.mjs', import.meta.url));
  /** Compiles by joining source and header, and counts how often. */
  const nvcc = at('nvcc');
  writeFileSync(
    nvcc,
    `#!/bin/sh
[ "$1" = --version ] && { echo "release 13.0"; exit 0; }
for last; do :; done
echo run >> ${at('runs')}
cat ${at('a.cu')} ${at('a.h')} > "$last"
echo "x.o: ${at('a.cu')} \\\\\n ${at('a.h')}" > ${at('a.d')}
grep -q broken ${at('a.cu')} && exit 3
exit 0
`,
  );
  chmodSync(nvcc, 0o755);
  const compile = (...flags: string[]) => {
    const args = [cache, nvcc, ...flags, '-MF', at('a.d'), '-c', at('a.cu'), '-o', at('a.o')];
    execFileSync(process.execPath, args, { env: { ...process.env, XDG_CACHE_HOME: at('cache') }, stdio: 'pipe' });
    return readFileSync(at('a.o'), 'utf8');
  };
  const runs = () => readFileSync(at('runs'), 'utf8').trim().split('\n').length;

  it('an object is compiled again exactly when source, a header or an argument changed', () => {
    writeFileSync(at('a.cu'), 'source 1 ');
    writeFileSync(at('a.h'), 'header 1');
    expect(compile()).toBe('source 1 header 1');
    rmSync(at('a.o'));
    expect(compile()).toBe('source 1 header 1');
    expect(runs()).toBe(1);
    expect(filesOf(readFileSync(at('a.d'), 'utf8'))).toEqual([at('a.cu'), at('a.h')]);

    writeFileSync(at('a.h'), 'header 2');
    expect(compile()).toBe('source 1 header 2');
    compile('-O3');
    expect(runs()).toBe(3);
    writeFileSync(at('a.h'), 'header 1');
    expect(compile()).toBe('source 1 header 1');
    expect(runs()).toBe(3);
  });

  it('a failure is told and not kept', () => {
    writeFileSync(at('a.cu'), 'broken ');
    expect(() => compile()).toThrow();
    const before = runs();
    expect(() => compile()).toThrow();
    expect(runs()).toBe(before + 1);
  });
});

describe('where the cuda provider cannot be built', () => {
  const tools = new URL('cuda-tools.mjs', import.meta.url).href;
  /** What is said with this program as the only nvcc; none when it is undefined. */
  function said(script: string | undefined) {
    const home = mkdtempSync(at('toolkit-'));
    mkdirSync(join(home, 'bin'));
    if (script !== undefined) {
      writeFileSync(join(home, 'bin', 'nvcc'), `#!/bin/sh\n${script}\n`);
      chmodSync(join(home, 'bin', 'nvcc'), 0o755);
    }
    const program = `import { cudaDefinitions, ensureCudaTools } from '${tools}';
      console.log(JSON.stringify([await ensureCudaTools(), await cudaDefinitions()]));`;
    const env = { ...process.env, CUDA_HOME: home };
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' });
    const [why, definitions] = JSON.parse(out) as [string, Record<string, string>];
    expect(definitions).toEqual({ MOESCOPE_NVCC: '' });
    return why.replaceAll(home, 'HOME');
  }

  it.each([
    [undefined, 'HOME, named by CUDA_HOME, has no bin/nvcc'],
    ['echo "release 12.4, V12.4.99"', 'HOME/bin/nvcc is 12.4, 13.0 or newer is needed'],
    ['echo "release 13.1, V13.1"; exit 1', 'HOME/bin/nvcc does not say where its toolkit is'],
    [
      'echo "release 13.1, V13.1"; echo "TOP=/nowhere"',
      '/nowhere has no libcudart_static.a; the CUDA toolkit is not complete',
    ],
  ])('%s', (script, expected) => {
    expect(said(script)).toBe(expected);
  });
});
