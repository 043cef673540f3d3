import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ensureWholeFolder } from './whole-folder.mjs';

const parent = mkdtempSync(join(tmpdir(), 'moescope-whole-folder-'));
afterAll(() => rmSync(parent, { recursive: true }));

/** Makes a folder that holds one file with these words. */
const withWords = (words: string) => (work: string) => {
  mkdirSync(work);
  writeFileSync(join(work, 'words'), words);
};
const wordsIn = (folder: string) => readFileSync(join(folder, 'words'), 'utf8');
/** What stands in `parent` of this name: the folder itself, its lock, its unfinished self. */
const standing = (name: string) => readdirSync(parent).filter((entry) => entry.startsWith(name));

describe('a folder that is there only when it is whole', () => {
  it('is filled under another name, then renamed; its parent is made', async () => {
    const folder = join(parent, 'deep', 'new');
    const seen: boolean[] = [];
    const made = await ensureWholeFolder(folder, async (work) => {
      withWords('first')(work);
      await new Promise((done) => setTimeout(done, 5));
      seen.push(existsSync(folder), existsSync(work));
    });
    expect(made).toBe(folder);
    expect(seen).toEqual([false, true]);
    expect(wordsIn(folder)).toBe('first');
    expect(readdirSync(join(parent, 'deep'))).toEqual(['new']);
  });

  it('is made once, also when several want it at the same time', async () => {
    const folder = join(parent, 'wanted');
    let filled = 0;
    const make = () =>
      ensureWholeFolder(folder, async (work) => {
        filled += 1;
        await new Promise((done) => setTimeout(done, 20));
        withWords(`${filled}`)(work);
      });
    expect(await Promise.all([make(), make(), make()])).toEqual([folder, folder, folder]);
    expect(wordsIn(folder)).toBe('1');
    expect(standing('wanted')).toEqual(['wanted']);
  });

  it('is not there after its filling failed, and can be tried again', async () => {
    const folder = join(parent, 'failed');
    const half = (work: string) => {
      withWords('half')(work);
      throw new Error('no network');
    };
    await expect(ensureWholeFolder(folder, half)).rejects.toThrow('no network');
    expect(standing('failed')).toEqual([]);
    await ensureWholeFolder(folder, withWords('whole'));
    expect(wordsIn(folder)).toBe('whole');
  });

  it('does not take over what an interrupted run left', async () => {
    const folder = join(parent, 'interrupted');
    withWords('half')(`${folder}.partial`);
    await ensureWholeFolder(folder, (work) => {
      expect(existsSync(work)).toBe(false);
      withWords('whole')(work);
    });
    expect(wordsIn(folder)).toBe('whole');
  });

  it('is replaced where an earlier one will not do, and kept while its successor fails', async () => {
    const folder = join(parent, 'old');
    withWords('old')(folder);
    const isWhole = (path: string) => wordsIn(path) === 'new';
    const fails = () => Promise.reject(new Error('no network'));
    await expect(ensureWholeFolder(folder, fails, { isWhole })).rejects.toThrow('no network');
    expect(wordsIn(folder)).toBe('old');
    await ensureWholeFolder(folder, withWords('new'), { isWhole });
    expect(wordsIn(folder)).toBe('new');
  });
});
