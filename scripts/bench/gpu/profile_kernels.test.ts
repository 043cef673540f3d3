import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

const folder = new URL('.', import.meta.url).pathname;
const program = 'import json, sys; import profile_kernels as p; print(json.dumps(p.kernels_of(sys.stdin.read())))';

function kernelsOf(text: string) {
  const env = { ...process.env, PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' };
  const done = spawnSync('python3', ['-c', program], { input: text, encoding: 'utf8', env });
  expect(done.stderr).toBe('');
  return JSON.parse(done.stdout);
}

const ratio = (name: string) => `smsp__average_warps_issue_stalled_${name}_per_issue_active.ratio`;
/** Column, unit and value as ncu 2025.3 printed them on an H100 for one kernel, and the few columns that count. */
const columns = [
  ['ID', '', '1'],
  ['Kernel Name', '', 'void unnamed>::wide_fc1_kernel<1, 8>(unnamed>::WideFc1Work)'],
  ['dram__bytes.sum.per_second', 'byte/s', '2,090,104,901,117.80'],
  ['gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed', '%', '62.36'],
  ['gpu__time_duration.sum', 'ns', '111,648'],
  ['launch__block_size', '', '256'],
  ['launch__registers_per_thread', 'register/thread', '128'],
  ['launch__shared_mem_per_block_dynamic', 'byte/block', '98,176'],
  ['launch__shared_mem_per_block_static', 'byte/block', '0'],
  ['sm__inst_executed_pipe_tensor_op_gmma.avg.pct_of_peak_sustained_active', '%', '0'],
  ['sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_active', '%', '10.54'],
  ['sm__warps_active.avg.pct_of_peak_sustained_active', '%', '24.07'],
  [ratio('long_scoreboard'), 'inst', '3.06'],
  [ratio('selected'), 'inst', '1.00'],
  [ratio('wait'), 'inst', '1.18'],
  [ratio('barrier'), 'inst', '0.05'],
  [ratio('short_scoreboard'), 'inst', '0.71'],
  ['smsp__issue_active.avg.pct_of_peak_sustained_active', '%', '47.90'],
];
const line = (at: number) => columns.map((column) => `"${column[at]}"`).join(',');

describe('what ncu prints', () => {
  it('becomes one entry a launch', () => {
    const text = `==PROF== Connected\n{"profiled": true}\n${line(0)}\n${line(1)}\n${line(2)}\n`;
    expect(kernelsOf(text)).toEqual([
      {
        kernel: 'wide_fc1_kernel',
        us: 111.65,
        dram_gb_per_s: 2090,
        dram_pct: 62.4,
        l2_pct: null,
        tensor_pct: 10.5,
        issue_pct: 47.9,
        occupancy_pct: 24.1,
        registers: 128,
        shared_kib: 95.9,
        grid: null,
        threads: 256,
        waves: null,
        stalls: [
          ['long_scoreboard', 0.612],
          ['wait', 0.236],
          ['short_scoreboard', 0.142],
        ],
      },
    ]);
  });

  it('is nothing when no kernel was profiled', () => {
    expect(kernelsOf('==ERROR== no permission to read counters\n')).toEqual([]);
  });
});
