import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { anonymous, objectionOf, reportText, requireWritable, settingsOf, writeReport } from './report.mjs';

const folder = mkdtempSync(join(tmpdir(), 'moescope-rtx-'));
afterAll(() => rmSync(folder, { recursive: true }));

const about = {
  version: '0.1.0',
  commit: 'abc1234',
  date: '2026-01-01T00:00:00.000Z',
  system: 'linux x64 6.8',
  nvidiaSmi: 'NVIDIA GeForce RTX 5090, 580.82.07',
  nvcc: 'release 13.0, V13.0.88',
  settings: { MOESCOPE_CUDA_BODY: 'emulated' },
  built: 'now',
};
const ended = (json: object | null, failure?: string) => ({ failure, seconds: 1, json });
const device = {
  available: true,
  name: 'NVIDIA GeForce RTX 5090; b12x-native; cutlass-sm120',
  driver: '580.82.07',
  reason: '',
};
const doctor = ended({ providers: [{ name: 'cpu' }, { name: 'cuda', device }] });
const batches = { equalDecisions: 8, equalInputs: 8, worst: { nrmse: 0.0108, path: 'b12x' } };

describe('whether anything can be checked here', () => {
  it('it can with a GPU that the provider runs on', () => {
    expect(objectionOf(doctor)).toBeUndefined();
  });

  it('without one the provider says why not', () => {
    const reason = 'the NVIDIA driver sees no GPU; check that nvidia-smi lists one';
    const providers = [{ name: 'cuda', device: { available: false, name: 'NVIDIA GPU', driver: '', reason } }];
    expect(objectionOf(ended({ providers }))).toBe(reason);
  });

  it('a library that cannot be opened says so, and what to do', () => {
    const error = { code: 'provider-load', message: 'the cuda provider is not built', remedy: 'build it' };
    expect(objectionOf(ended({ providers: [{ name: 'cuda', error }] }))).toBe(
      'the cuda provider is not built; build it',
    );
  });

  it('doctor itself may fail', () => {
    expect(objectionOf(ended(null, 'was ended by SIGILL'))).toBe('moescope doctor was ended by SIGILL');
    expect(objectionOf(ended({ providers: [] }))).toBe('moescope doctor says nothing of the cuda provider');
  });
});

describe('the report for people', () => {
  it('says what ran on what, each part with its end, and what was printed', () => {
    const items = [{ status: 'fail', name: 'parity', reason: 'NRMSE 0.3' }];
    const text = reportText({
      about,
      doctor,
      check: { ...ended({}), output: 'fc1 NRMSE ...' },
      provider: { ...ended(null, 'ended with exit code 1'), output: 'y differs' },
      verify: ended({ items }, 'ended with exit code 1'),
      sessions: {
        ...ended(null),
        rerun: ended({ rerun: { answers: 16, identical: 16 } }),
        compare: ended({ values: batches }),
      },
    });
    expect(text).toContain('GPU: NVIDIA GeForce RTX 5090; b12x-native; cutlass-sm120, driver 580.82.07\n');
    expect(text).toContain('set: MOESCOPE_CUDA_BODY=emulated\n');
    expect(text).toContain('correctness program: ended well (1 s)\nprovider library: ended with exit code 1 (1 s)\n');
    expect(text).toContain('  fail: parity: NRMSE 0.3\n');
    expect(text).toContain('8 of 8 decision chains equal, largest NRMSE 1.08e-2 (b12x)\n');
    expect(text).toMatch(/\n\nfc1 NRMSE \.\.\.\ny differs$/);
  });

  it('without a GPU says why nothing was checked, and nothing of checks', () => {
    const text = reportText({ about, doctor: ended(null), objection: 'no NVIDIA driver was found' });
    expect(text).toContain('nothing was checked: no NVIDIA driver was found\n');
    expect(text).not.toMatch(/ended well|GPU:/);
  });

  it('is written beside its JSON, which holds the same', () => {
    const [json = '', text = ''] = writeReport(folder, { about, doctor: ended(null), objection: 'no GPU' });
    expect(JSON.parse(readFileSync(json, 'utf8'))).toMatchObject({ about, objection: 'no GPU' });
    expect(readFileSync(text, 'utf8')).toContain('nothing was checked: no GPU\n');
  });
});

it('the settings of a run are those that change its kernels', () => {
  expect(settingsOf({ MOESCOPE_CUDA_L2: 'cold', MOESCOPE_SIMD: '', HOME: '/home/ada' })).toEqual({
    MOESCOPE_CUDA_L2: 'cold',
  });
});

it('a report names neither the home folder nor where the checkout lies', () => {
  const places = { checkout: '/home/ada/moescope', home: '/home/ada' };
  expect(anonymous('/home/ada/moescope/build and /home/ada/.cache', places)).toBe('./build and ~/.cache');
  expect(anonymous('/a/b', { checkout: '/x', home: '/' })).toBe('/a/b');
});

it('a folder that cannot hold the report is refused before anything runs', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  expect(() => requireWritable(join(file, 'inside'))).toThrow(
    /cannot be written to .*file\/inside \(ENOTDIR\); name a folder/,
  );
});
