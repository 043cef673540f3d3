import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { performancePage } from './page.mjs';

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

describe('the page of measurements', () => {
  it('is what its JSON makes', () => {
    expect(read('performance.md')).toBe(performancePage(JSON.parse(read('performance.json'))));
  });

  const row = (tokens: number, us: number, family = 'f') => ({
    tokens,
    family,
    us,
    p10: us,
    p90: us,
    tflops: 1,
    deterministic: true,
  });
  const section = (name: string, rest: object) => ({ kind: 'gpu', machine: { name }, clocks_after: {}, ...rest });
  const qwen = (ours: object[], peers: object[] = []) => [{ shape: 'qwen3-30b-a3b', ours, peers }];

  it('says hit only of a goal that was reached, by the goals of the card', () => {
    const shapes = qwen([row(1, 13), row(8, 62.1)]);
    const page = performancePage({
      sections: [section('NVIDIA H200', { shapes }), section('NVIDIA H100 80GB HBM3', { shapes })],
    });
    const [h100, h200] = page.split('## GPU: NVIDIA H200');
    expect(h100).toMatch(/^\| 1 \|.*\| 13 \| hit \|$/m);
    expect(h100).toMatch(/^\| 8 \|.*\| 62 \| missed \|$/m);
    expect(h200).toMatch(/^\| 1 \|.*\| 11 \| missed \|$/m);
    expect(h200).toMatch(/^\| 8 \|.*\| 46 \| missed \|$/m);
  });

  it('counts the fastest family of a row and passes one that failed by', () => {
    const shapes = qwen([row(64, 200, 'slow'), row(64, 100, 'quick'), { family: 'broken', tokens: 64, failed: 'no' }]);
    expect(performancePage({ sections: [section('NVIDIA H100', { shapes })] })).toMatch(/^\| 64 \|.*\| quick \|/m);
  });

  it('shows what peers took, and why one is absent', () => {
    const times = { median: 42, p10: 42, p90: 42, runs: 1 };
    const peers = (humming: object) => [
      { tokens: 8, unique_experts: 49, bytes: 1e8, flops: 1e9, peers: [{ peer: 'torch bf16', us: times }, humming] },
    ];
    const page = (humming: object) =>
      performancePage({ sections: [section('NVIDIA H100', { shapes: qwen([row(8, 62)], peers(humming)) })] });
    const ran = page({ peer: 'humming 0.1.19 W4A16 NVFP4', us: { ...times, median: 50 }, nrmse_to_torch: 0.0042 });
    expect(ran).toMatch(/^\| 8 \| 49 \| 33\.0 \| - \| 42\.0 \| - \| 50\.0 \|/m);
    expect(ran).toContain('humming 0.1.19');
    expect(ran).toContain('at most 0.0042');
    const failed = page({ peer: 'humming W4A16 NVFP4', failed: 'nvcc is missing' });
    expect(failed).toContain('did not run: nvcc is missing');
    expect(failed).toMatch(/^\| 8 \|.*\| failed \|/m);
  });

  it('puts profiles and what was tried beside the rows of their card', () => {
    const kernel = {
      kernel: 'fc1',
      us: 13,
      dram_gb_per_s: 1090,
      dram_pct: 33.2,
      l2_pct: null,
      tensor_pct: 2,
      issue_pct: 34,
    };
    const launch = { occupancy_pct: 16.4, registers: 128, shared_kib: 64, grid: 80, threads: 128, waves: 0.6 };
    const profiles = [
      {
        shape: 'qwen3-30b-a3b',
        family: 'f',
        tokens: 1,
        commit: 'abc',
        kernels: [
          { ...kernel, ...launch, stalls: [['long_scoreboard', 0.431]] },
          { ...kernel, ...launch, kernel: 'small', us: 0.5, stalls: [] },
        ],
      },
      { shape: 'qwen3-30b-a3b', family: 'f', tokens: 8, commit: 'abc', failed: 'no counters' },
    ];
    const tried = [{ shape: 'qwen3-30b-a3b', tokens: 1, text: 'one kernel instead of two' }];
    const page = performancePage({ sections: [section('NVIDIA H100', { shapes: [], profiles, tried })] });
    expect(page).toContain(
      '| fc1 | 13.0 | 1090 | 33 % | - | 2 % | 34 % | 16 % | 128 | 64 | 0.6 | long_scoreboard 43 % | abc |',
    );
    expect(page).not.toContain('| small |');
    expect(page).toContain('T = 8: not profiled (no counters)');
    expect(page).toContain('T = 1: one kernel instead of two');
  });
});
