import { describe, expect, it } from 'vitest';
import { electronImporters, layers, nativeLayers, testPackages, tiedHeaders } from './rules';
import { importsOf, includesOf, matches, type Source, sources } from './sources';

const all = sources();
const isScript = ({ path }: Source) => /\.(ts|tsx|mjs|cjs)$/.test(path);
const isTest = (path: string) => /\.test\.tsx?$/.test(path);

function layerOf(path: string) {
  return Object.entries(layers).find(([, { files }]) => files.some((pattern) => matches(path, pattern)));
}

/** Why an import is against the rules; undefined when it is fine. */
function objection(path: string, specifier: string, target: string): string | undefined {
  const found = layerOf(path);
  if (!found) return 'this file belongs to no layer of test/architecture/rules.ts';
  const [name, layer] = found;
  const ours = specifier.startsWith('.');
  if (ours) {
    const allowed = [...layer.files, ...layer.mayImport].some((pattern) => matches(target, pattern));
    return allowed ? undefined : `${name} may import only ${[...layer.files, ...layer.mayImport].join(', ')}`;
  }
  const packages = isTest(path) ? [...layer.packages, ...testPackages] : layer.packages;
  return packages.includes(target) ? undefined : `${name} may import only the packages ${packages.join(', ')}`;
}

describe('imports point inward', () => {
  it('in TypeScript', () => {
    const broken = all
      .filter((source) => isScript(source) && /^(electron|renderer)\//.test(source.path))
      .flatMap((source) =>
        importsOf(source).flatMap(({ specifier, target, line }) => {
          const why = objection(source.path, specifier, target);
          return why === undefined ? [] : [`${source.path}:${line} imports '${specifier}': ${why}`];
        }),
      );
    expect(broken).toEqual([]);
  });

  it('electron is imported only by main, preload, shell and its own hosts', () => {
    const broken = all
      .filter((source) => isScript(source) && /^(electron|renderer)\//.test(source.path))
      .filter(({ path }) => !electronImporters.some((pattern) => matches(path, pattern)))
      .flatMap((source) =>
        importsOf(source).flatMap(({ target, line }) => (target === 'electron' ? [`${source.path}:${line}`] : [])),
      );
    expect(broken).toEqual([]);
  });

  it('in C++: core knows neither Node nor CUDA, providers know only core', () => {
    const files = new Set(all.map(({ path }) => path));
    const broken = all.flatMap((source) => {
      const [root, folder = ''] = source.path.split('/');
      if (root !== 'native' || !/\.(h|hpp|c|cc|cpp|cu|cuh)$/.test(source.path)) return [];
      return includesOf(source).flatMap(({ written, quoted, line }) => {
        const at = `${source.path}:${line} includes ${written}`;
        const tied = tiedHeaders.find(({ header, folders }) => header.test(written) && !folders.includes(folder));
        if (tied) return [`${at}: only native/${tied.folders.join(', native/')} may`];
        const from = `native/${written}`;
        if (!quoted || !files.has(from)) return [];
        const other = written.split('/')[0] ?? '';
        const allowed = [folder, ...(nativeLayers[folder] ?? [])].some((one) => one === other || one === written);
        return allowed
          ? []
          : [`${at}: native/${folder} may include only ${(nativeLayers[folder] ?? []).join(', ') || 'itself'}`];
      });
    });
    expect(broken).toEqual([]);
  });
});

describe('the rules can fail', () => {
  it.each([
    ['renderer/live/panel.tsx', '../../electron/engine/run/loop', 'electron/engine/run/loop'],
    ['renderer/live/panel.tsx', 'electron', 'electron'],
    ['electron/contract/batch.ts', 'node:fs', 'node:'],
    ['electron/contract/batch.ts', '../engine/run/loop', 'electron/engine/run/loop'],
    ['electron/engine/run/loop.ts', 'electron', 'electron'],
    ['electron/engine/run/loop.ts', '../../hosts/serve', 'electron/hosts/serve'],
    ['electron/hosts/serve/server.ts', 'electron', 'electron'],
    ['electron/preload.ts', 'node:fs', 'node:'],
    ['electron/elsewhere/thing.ts', 'zod', 'zod'],
  ])('%s must not import %s', (path, specifier, target) => {
    expect(objection(path, specifier, target)).toBeTypeOf('string');
  });

  it('every way of importing is seen', () => {
    const text = [
      "import a from './a';",
      "export * from './b.ts';",
      "import './c.css';",
      "const d = await import('./d');",
      "const e = require('@scope/e/deep');",
      "import type { F } from '../f';",
      "// import g from './g';",
      "machine.require('a state');",
      "const text = 'taken from \\'x\\'';",
      "type I = import('./i').I;",
      "import {\n  h,\n} from 'node:path';",
    ].join('\n');
    const seen = importsOf({ path: 'electron/engine/x.ts', text }).map(({ target }) => target);
    expect(seen).toEqual([
      'electron/engine/a',
      'electron/engine/b',
      'electron/engine/c.css',
      'electron/engine/d',
      '@scope/e',
      'electron/f',
      'electron/engine/i',
      'node:',
    ]);
  });
});
