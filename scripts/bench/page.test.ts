import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { performancePage } from './page.mjs';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

describe('the page of measurements', () => {
  it('is what its JSON makes', () => {
    expect(read('performance.md')).toBe(performancePage(JSON.parse(read('performance.json'))));
  });

  it('says hit only of a goal that was reached', () => {
    const row = (tokens: number, us: number) => ({
      tokens,
      family: 'f',
      us,
      p10: us,
      p90: us,
      tflops: 1,
      deterministic: true,
    });
    const machine = { name: 'NVIDIA H100 80GB HBM3' };
    const shapes = [{ shape: 'qwen3-30b-a3b', ours: [row(1, 13), row(8, 62.1)], peers: [] }];
    const page = performancePage({ sections: [{ kind: 'gpu', machine, shapes, clocks_after: {} }] });
    expect(page).toMatch(/^\| 1 \|.*\| 13 \| hit \|$/m);
    expect(page).toMatch(/^\| 8 \|.*\| 62 \| missed \|$/m);
  });
});
