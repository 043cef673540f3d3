import { describe, expect, it } from 'vitest';
import { emptyNames, forbidden, longestFile, runsInElectron, tooNewForElectron22 } from './rules';
import { lineAt, matches, sources, withoutComments } from './sources';

const all = sources();
const rules = 'test/architecture/rules.ts';

const hits = (path: string, text: string, pattern: RegExp) =>
  [...text.matchAll(new RegExp(pattern, 'g'))].map((match) => `${path}:${lineAt(text, match.index)} ${match[0]}`);

describe('rules of the house', () => {
  it('there is code to look at', () => {
    expect(all.length).toBeGreaterThan(20);
  });

  it(`no file is longer than ${longestFile} lines`, () => {
    const long = all.map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }));
    expect(long.filter(({ lines }) => lines > longestFile).map(({ path, lines }) => `${path}: ${lines} lines`)).toEqual(
      [],
    );
  });

  it.each(forbidden)('$why', ({ pattern }) => {
    const found = all.filter(({ path }) => path !== rules).flatMap(({ path, text }) => hits(path, text, pattern));
    expect(found).toEqual([]);
  });

  it('names say what is inside', () => {
    expect(all.map(({ path }) => path).filter((path) => emptyNames.test(path))).toEqual([]);
  });

  it('nothing newer than Electron 22 (Node 16.17, V8 10.8) where it runs', () => {
    const found = all
      .filter(({ path }) => !path.includes('.test.') && /\.tsx?$/.test(path))
      .filter(({ path }) => path === 'electron/main.ts' || runsInElectron.some((pattern) => matches(path, pattern)))
      .flatMap(({ path, text }) =>
        tooNewForElectron22.flatMap((pattern) => hits(path, withoutComments(text), pattern)),
      );
    expect(found).toEqual([]);
  });
});
