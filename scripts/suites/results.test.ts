import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { judged, readDoctestXml, readPlaywrightJson, readVitestJson } from './results.mjs';

const folder = mkdtempSync(join(tmpdir(), 'moescope-results-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function file(content: unknown): string {
  count += 1;
  const path = join(folder, `report-${count}`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const doctest = (successes: number, failures: number) =>
  `<doctest><OverallResultsAsserts successes="9" failures="0"/>
  <OverallResultsTestCases successes="${successes}" failures="${failures}"/></doctest>`;

describe('counts of a suite', () => {
  it('doctest: test cases, not assertions', () => {
    expect(readDoctestXml(file(doctest(3, 0)), undefined)).toEqual({ passed: 3, failed: 0, skipped: 0 });
    expect(readDoctestXml(file(doctest(3, 2)), 'ended with exit code 1')).toEqual({ passed: 3, failed: 2, skipped: 0 });
  });

  it('vitest: a file that does not load is a failure', () => {
    const report = {
      numPassedTests: 4,
      numFailedTests: 1,
      numPendingTests: 2,
      numTodoTests: 0,
      testResults: [
        { status: 'failed', assertionResults: [] },
        { status: 'failed', assertionResults: [{ status: 'failed' }] },
        { status: 'passed', assertionResults: [{ status: 'passed' }] },
      ],
    };
    expect(readVitestJson(file(report), 'ended with exit code 1')).toEqual({ passed: 4, failed: 2, skipped: 2 });
  });

  it('playwright: a test that passed on a second try, and an error outside any test, are failures', () => {
    const report = { stats: { expected: 5, unexpected: 1, flaky: 1, skipped: 3 }, errors: [{ message: 'x' }] };
    expect(readPlaywrightJson(file(report), 'ended with exit code 1')).toEqual({ passed: 5, failed: 3, skipped: 3 });
  });
});

describe('a suite is not believed', () => {
  it('when it wrote no report', () => {
    const missing = join(folder, 'missing');
    expect(readDoctestXml(missing, 'was ended by SIGSEGV').problem).toBe('was ended by SIGSEGV');
    expect(readVitestJson(missing, undefined).problem).toBe('wrote no report');
  });

  it('when its report is cut short', () => {
    expect(readPlaywrightJson(file('{"stats": {'), undefined).problem).toMatch(/cut short/);
    expect(readDoctestXml(file('<doctest><TestCase>'), 'was ended by SIGABRT').problem).toMatch(/SIGABRT.*no totals/);
    expect(readDoctestXml(file('<OverallResultsTestCases successes="" failures="0"/>'), undefined).problem).toMatch(
      /numbers/,
    );
  });

  it('when it ran nothing', () => {
    expect(readDoctestXml(file(doctest(0, 0)), undefined).problem).toBe('no test ran');
    expect(judged({ passed: 0, failed: 0, skipped: 7 }, undefined).problem).toBe('no test ran');
  });

  it('when it ended badly without a failed test', () => {
    expect(judged({ passed: 7, failed: 0, skipped: 0 }, 'was stopped after 300 s (its limit)').problem).toMatch(
      /stopped after 300 s.*no test failed/,
    );
  });
});
