import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { addonPlaces, loadAddon } from '../../../electron/engine/native/load';
import { type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

describe('where the addon is looked for', () => {
  const start = { module: '/app/.vite/build', cwd: '/home/user', resources: '/opt/moescope/resources' };

  it('the variable alone, when it is set', () => {
    expect(addonPlaces({ MOESCOPE_ADDON: 'mine.node' }, start).map(({ path }) => path)).toEqual([
      '/home/user/mine.node',
    ]);
  });

  it('else resources, above the program, above the working folder; each place once', () => {
    const paths = addonPlaces({}, start).map(({ path }) => path);
    expect(paths).toEqual([
      '/opt/moescope/resources/moescope.node',
      '/app/.vite/build/build/native/moescope.node',
      '/app/.vite/build/native/moescope.node',
      '/app/build/native/moescope.node',
      '/build/native/moescope.node',
      '/home/user/build/native/moescope.node',
      '/home/build/native/moescope.node',
    ]);
  });
});

describe('an addon that cannot be loaded', () => {
  it('names every place with its reason, and what to do', async () => {
    const text = join(folder.path, 'text.node');
    await writeFile(text, 'not a library');
    const places = [
      { path: join(folder.path, 'absent.node'), why: 'first' },
      { path: text, why: 'second' },
    ];
    const work = () => loadAddon(places);
    expect(work).toThrow(AppError);
    try {
      work();
    } catch (thrown) {
      const error = thrown as AppError;
      expect(error.code).toBe('unsupported');
      expect(error.found).toMatch(/absent\.node: no such file \(first\)/);
      expect(error.found).toMatch(/text\.node: .+ \(second\)/);
      expect(error.remedy).toMatch(/build:native.*MOESCOPE_ADDON/);
    }
  });
});

describe('threads', () => {
  it.each([
    ['3', 3],
    ['1', 1],
  ])('MOESCOPE_THREADS=%s is what info() tells', (value, threads) => {
    const script = 'console.log(require(process.argv[1]).info().threads)';
    const env = { ...process.env, MOESCOPE_THREADS: value };
    const out = execFileSync(process.execPath, ['-e', script, loadAddon().path], { env, encoding: 'utf8' });
    expect(Number(out)).toBe(threads);
  });
});
