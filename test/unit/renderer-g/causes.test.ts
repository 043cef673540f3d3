import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import type { DiffExplanation, ExplainedCause, NamedDiagnosis } from '../../../electron/contract/explanation';
import { causeRows, intervalText, shareDomain, shareText } from '../../../renderer/panels/diff/causes-rows';
import { causesCsv } from '../../../renderer/panels/diff/causes-view';
import { DiagnosisDetails, Verdicts } from '../../../renderer/panels/diff/diagnosis';

const cause = (id: ExplainedCause['id'], share: number, fault = false): ExplainedCause => ({
  ...{ id, name: id, explanation: 'why', reference: 'where', share, fault },
  interval: [share - 0.02, share + 0.02],
  nrmseAlone: 0.01,
});
const segments = (mismatchAfter: number): NamedDiagnosis['segments'] => [
  { stage: 'fc1', compared: 4096, mismatchBefore: 0.25, mismatchAfter, floor: 0.01 },
];
const clean: NamedDiagnosis = { deviations: [], segments: segments(0) };
const found: DiffExplanation = {
  ...{ batch: 0, a: 'b12x', b: 'cutlass', tokens: 8, layer: 'the loaded layer' },
  causes: [cause('bf16-between-stages', 0.7), cause('gate-up-order', 0.4, true), cause('padding', -0.05)],
  ...{ interaction: -0.05, rest: 0 },
  total: { energy: 12.5, nrmse: 0.02 },
  diagnosis: { a: clean, b: clean },
};

describe('rows of an explanation', () => {
  it('have what was found beyond the documented pipelines first, remainders last, and are the whole', () => {
    const rows = causeRows(found);
    expect(rows.map(({ id }) => id)).toEqual([
      'gate-up-order',
      'bf16-between-stages',
      'padding',
      'interaction',
      'rest',
    ]);
    expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(rows[0]!.interval![0]).toBeCloseTo(0.38, 12);
    expect(rows[4]).toMatchObject({ kind: 'remainder', interval: null, nrmseAlone: null });
  });

  it('have no interval of one token: there is nothing to resample', () => {
    expect(causeRows({ ...found, tokens: 1 }).every(({ interval }) => interval === null)).toBe(true);
  });

  it('are drawn over 0 to 100 %, and further where a share or its interval goes', () => {
    expect(shareDomain([{ share: 0.2, interval: [0.1, 0.3] }])).toEqual({ low: 0, high: 1 });
    expect(shareDomain(causeRows(found)).low).toBeCloseTo(-0.07, 12);
    expect(shareDomain([{ share: 1.1, interval: [0.9, 1.4] }]).high).toBe(1.4);
  });

  it('do not write a little as nothing', () => {
    expect([0, 0.82164, -0.05, 1e-9, -1e-9].map(shareText)).toEqual([
      '0 %',
      '82.16 %',
      '-5.00 %',
      '<0.01 %',
      '>-0.01 %',
    ]);
    expect([intervalText([0.7675, 0.859]), intervalText([0, 0])]).toEqual(['76.75 to 85.90', '0']);
  });

  it('leave as CSV with every digit, one row a cause', () => {
    const lines = causesCsv(found).trim().split(/\r?\n/);
    expect(lines[0]).toBe('cause,kind,share,95 % low,95 % high,NRMSE alone');
    expect(lines).toHaveLength(6);
    expect(lines[2]).toMatch(/^bf16-between-stages,documented,0\.7,0\.6\d+,0\.7\d+,0\.01$/);
    expect(lines[5]).toBe('rest,remainder,0,,,');
  });
});

describe('the verdict', () => {
  const text = (explanation: DiffExplanation) =>
    renderToStaticMarkup(createElement(Verdicts, { found: explanation })).replace(/<[^>]+>/g, '');
  const named: NamedDiagnosis = {
    deviations: [
      {
        ...{ cause: 'gate-up-order', site: 0, variant: 0, name: 'Gate and up swapped', stage: 'fc1', explained: 0.98 },
        alternatives: [{ cause: 'wrong-layout', site: 0, variant: 0, name: 'Wrong layout' }],
      },
    ],
    segments: segments(0),
  };

  it('is of both sides together where neither has a fault', () => {
    expect(text(found)).toBe('b12x and CUTLASS follow their documented pipelines: no fault was named.');
    expect(text({ ...found, b: 'reference', diagnosis: { a: clean, b: null } })).toBe(
      'b12x follows its documented pipeline: no fault was named.',
    );
  });

  it('names a fault before all else, with where it was seen, and says what it cannot be told from', () => {
    const faulty = { ...found, diagnosis: { a: clean, b: named } };
    expect(text(faulty)).toMatch(/^▲ Gate and up swapped \(FC1\), seen in CUTLASS at FC1: explains 98\.00 %/);
    expect(text(faulty)).toMatch(/b12x follows its documented pipeline/);
    const details = renderToStaticMarkup(createElement(DiagnosisDetails, { found: faulty }));
    expect(details).toContain('Gate and up swapped is not told apart from Wrong layout.');
    expect(details).toContain('CUTLASS against its documented pipeline');
  });

  it('does not call a side clean of which more differs than order explains', () => {
    const unsure = { deviations: [], segments: segments(0.05) };
    expect(text({ ...found, diagnosis: { a: unsure, b: null } })).toMatch(
      /b12x is not quite its documented pipeline \(FC1\), but too little differs/,
    );
  });
});
