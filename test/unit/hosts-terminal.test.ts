import { describe, expect, it } from 'vitest';
import type { BatchRow } from '../../electron/contract/batch';
import type { Decision, DecisionStep } from '../../electron/contract/layer';
import { describeStep, duration, tableHead, tableRow } from '../../electron/hosts/batch-table';
import { terminalReport } from '../../electron/hosts/terminal-report';
import { isLoopbackHost, isOwnOrigin, newToken, rateLimit, sameToken, tokenOf } from '../../electron/hosts/web-guard';
import { parseArguments } from '../../electron/shell/arguments';

const gate: DecisionStep = {
  name: 'tokens',
  value: 128,
  comparison: '>=',
  limit: 64,
  unit: 'tokens',
  outcome: true,
  leads: 'CUTLASS',
  origin: { kind: 'argument', where: '--threshold' },
};
const decision = (steps: DecisionStep[]): Decision => ({
  path: 'cutlass',
  kernel: 'cutlass',
  tileM: 128,
  tileN: 128,
  tokens: 128,
  routedPairs: 1024,
  threshold: 64,
  rules: 'r',
  steps,
});
const row: BatchRow = {
  index: 3,
  time: 0,
  tokens: 128,
  routedPairs: 1024,
  uniqueExperts: 8,
  maxRowsPerExpert: 200,
  phase: 'prefill',
  path: 'cutlass',
  kernel: 'cutlass',
  threshold: 64,
  microseconds: 12345.6,
  otherMicroseconds: null,
  nrmse: 0.02694,
  cosine: 0.9996,
  error: null,
};

describe('the table of the first batches', () => {
  it('names the rule that decided, not what was chosen after it', () => {
    const small = { ...gate, outcome: false, leads: 'b12x' };
    const step = (name: string, outcome: boolean, leads: string) => ({ ...gate, name, outcome, leads });
    const tile = step('tile: top-k', true, 'tile rules');
    const ruleOf = (chosen: Decision) => tableRow({ ...row, kernel: chosen.kernel }, chosen);
    expect(ruleOf(decision([gate, tile]))).toContain(describeStep(gate));
    const first = step('direct micro: tokens', true, 'next condition of direct micro');
    const last = step('direct micro: top-k', true, 'direct micro');
    const direct = { ...decision([small, first, last, tile]), path: 'b12x' as const, kernel: 'direct-micro' as const };
    expect(ruleOf(direct)).toContain(describeStep(last));
    const failed = step('direct micro: tokens', false, 'micro rules');
    const micro = step('micro: tokens', false, 'static');
    expect(ruleOf({ ...direct, kernel: 'static', steps: [small, failed, micro, tile] })).toContain(describeStep(micro));
    expect(ruleOf({ ...direct, steps: [tile] })).not.toContain('tile');
    expect(describeStep({ ...gate, outcome: false })).toBe('tokens 128 not >= 64 tokens (argument)');
    expect(describeStep({ ...gate, origin: { kind: 'constant', where: 'FlashInfer' } })).toBe(
      'tokens 128 >= 64 tokens',
    );
  });

  it('is aligned whatever is in it', () => {
    const rows = [
      tableRow(row, decision([gate])),
      tableRow({ ...row, path: 'b12x', kernel: 'direct-micro', nrmse: null }, null),
      tableRow({ ...row, error: { code: 'internal', message: 'x'.repeat(200) } }, null),
    ];
    for (const line of rows) expect(line.length).toBe(tableHead().length);
    expect(rows[0]).toMatch(/^ +3 +128 +cutlass +tokens 128 >= 64 tokens \(argument\) +12\.3 ms +2\.69e-2$/);
    expect(rows[1]).toMatch(/b12x direct-micro .* -$/);
    const failed = tableRow({ ...row, microseconds: 0, nrmse: null, error: { code: 'internal', message: 'x' } }, null);
    expect(failed).toMatch(/ x +- +-$/);
  });

  it('times keep three digits and their unit', () => {
    expect([0.5, 999, 1000, 999_900, 2.5e6, Number.NaN].map(duration)).toEqual([
      '0.500 us',
      '999 us',
      '1.00 ms',
      '1.00 s',
      '2.50 s',
      '-',
    ]);
  });
});

describe('the report', () => {
  const output = (isTTY: boolean) => {
    const parts: string[] = [];
    return { parts, isTTY, write: (text: string) => parts.push(text) };
  };

  it('is text or JSON lines on stdout, progress on stderr once a label', () => {
    for (const json of [true, false]) {
      const [out, err] = [output(false), output(false)];
      const report = terminalReport({ json, out, err });
      report.progress('loading', 1, 10);
      report.progress('loading', 2, 10);
      report.text('a  ');
      report.data({ event: 'x' });
      expect(out.parts).toEqual(json ? ['{"event":"x"}\n'] : ['a\n']);
      expect(err.parts).toEqual(['loading\n']);
    }
  });

  it('clears its progress line on a terminal', () => {
    const [out, err] = [output(true), output(true)];
    const report = terminalReport({ json: false, out, err });
    report.progress('loading', 5, 10);
    report.text('a');
    expect(err.parts).toEqual(['\r\x1b[Kloading 50 %', '\r\x1b[K']);
  });
});

describe('who may talk to the web host', () => {
  it('loopback names only', () => {
    for (const host of ['127.0.0.1:7437', 'localhost', '[::1]:1']) expect(isLoopbackHost(host)).toBe(true);
    for (const host of [undefined, '', 'localhost.evil', '127.0.0.1@evil', '127.0.0.2', 'localhost:', ' localhost']) {
      expect(isLoopbackHost(host)).toBe(false);
    }
    expect(isOwnOrigin('http://localhost:1', 'localhost:1')).toBe(true);
    expect(isOwnOrigin('http://localhost:2', 'localhost:1')).toBe(false);
    expect(isOwnOrigin(undefined, 'localhost:1')).toBe(false);
  });

  it('tokens', () => {
    const token = newToken();
    expect(newToken()).not.toBe(token);
    expect(sameToken(token, token)).toBe(true);
    for (const other of ['', token.slice(1), `${token}x`]) expect(sameToken(other, token)).toBe(false);
    expect(tokenOf('moescope.1, token.abc')).toBe('abc');
    for (const header of [undefined, '', 'token.abc', 'moescope.1', 'moescope.2, token.abc']) {
      expect(tokenOf(header)).toBeUndefined();
    }
  });

  it('a burst, then the rate', () => {
    let now = 0;
    const allowed = rateLimit(3, 2, () => now);
    expect([allowed(), allowed(), allowed(), allowed()]).toEqual([true, true, true, false]);
    now = 500;
    expect([allowed(), allowed()]).toEqual([true, false]);
    now = 60_000;
    expect([allowed(), allowed(), allowed(), allowed()]).toEqual([true, true, true, false]);
  });
});

describe('arguments of the window', () => {
  const parse = (...argv: string[]) => parseArguments(['electron', ...argv], '/app', '/home');

  it('leave Chromium its switches and the application its folder', () => {
    expect(parse('--inspect=0', '--use-gl=angle', '/app', '--moescope-test', 'ckpt')).toMatchObject({
      path: '/home/ckpt',
      test: true,
      demoBatches: 0,
      size: { width: 1280, height: 800 },
    });
    expect(parseArguments(['moescope', '/data/x.moesession'], '/app', '/')).toMatchObject({
      path: '/data/x.moesession',
      test: false,
      size: undefined,
    });
    expect(parse('.')).toMatchObject({ path: '/home' });
    expect(parseArguments(['electron', '.'], '/app', '/app')).toMatchObject({ path: undefined, demoBatches: 8 });
  });

  it('take values either way', () => {
    expect(
      parse('--threshold', '64', 'a', '--contract=clean', '--window-size=900x700', '--demo-batches=3'),
    ).toMatchObject({
      threshold: 64,
      path: '/home/a',
      contract: 'clean',
      size: { width: 900, height: 700 },
      demoBatches: 3,
    });
  });

  it.each([
    ['--threshold', '-1'],
    ['--threshold', 'many'],
    ['--threshold'],
    ['--contract', 'x'],
    ['--window-size=1x1'],
  ])('%s %s is one clear error', (...argv) => {
    expect(() => parse(...argv)).toThrow(
      expect.objectContaining({ code: 'bad-option', subject: argv[0]!.split('=')[0] }),
    );
  });

  it('two paths are one too many', () => {
    expect(() => parse('a', 'b')).toThrow(expect.objectContaining({ code: 'usage' }));
  });
});
