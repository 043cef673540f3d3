import { describe, expect, it } from 'vitest';
import { merged } from './merge.mjs';

const machine = { name: 'NVIDIA H100' };
const run = (commit: string, ...names: string[]) => ({
  kind: 'gpu',
  machine,
  commit,
  shapes: names.map((shape) => ({ shape, commit })),
});
const profile = (commit: string, tokens: number) => ({
  kind: 'gpu',
  machine,
  commit,
  profiles: [{ shape: 's', tokens }],
});
const all = (...sections: object[]) => {
  let sum: { sections: object[] } = { sections: [] };
  for (const one of sections) sum = merged(sum, one);
  return sum;
};

describe('docs/performance.json', () => {
  it('keeps shapes of one commit side by side and drops those of another', () => {
    expect(all(run('a', 's', 't'), run('a', 'u')).sections).toMatchObject([
      { shapes: [{ shape: 's' }, { shape: 't' }, { shape: 'u' }] },
    ]);
    expect(all(run('a', 's', 't'), run('b', 't')).sections).toMatchObject([{ commit: 'b', shapes: [{ shape: 't' }] }]);
  });

  it('keeps machines and kinds apart', () => {
    const other = { ...run('a', 's'), machine: { name: 'NVIDIA H200' } };
    const cpu = { kind: 'cpu', machine };
    expect(all(run('a', 's'), other, cpu, run('a', 's')).sections).toHaveLength(3);
  });

  it('keeps what was written by hand and the profiles when a run is measured anew', () => {
    const written = { ...run('a', 's'), notes: ['a note'], tried: [{ text: 'this' }] };
    const before = merged({ sections: [written] }, profile('a', 1));
    expect(merged(before, run('b', 's')).sections).toMatchObject([
      { commit: 'b', notes: ['a note'], tried: [{ text: 'this' }], profiles: [{ commit: 'a', tokens: 1 }] },
    ]);
  });

  it('takes a newer profile of the same row', () => {
    expect(all(run('a', 's'), profile('a', 1), profile('a', 8), profile('b', 1)).sections).toMatchObject([
      {
        commit: 'a',
        profiles: [
          { commit: 'a', tokens: 8 },
          { commit: 'b', tokens: 1 },
        ],
      },
    ]);
  });

  it('refuses profiles of a machine without a run', () => {
    expect(() => all(profile('a', 1))).toThrow('NVIDIA H100');
  });
});
