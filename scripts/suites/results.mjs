// Counts from what each test runner writes for machines; a report that is missing or empty is a failure of its suite.
import { existsSync, readFileSync } from 'node:fs';

/**
 * @typedef {{ passed: number, failed: number, skipped: number, problem?: string }} Counts
 *   `problem`: why the suite as a whole cannot be trusted, in words; it counts as one failure.
 */

/** A suite that could not say what it did. */
const nothing = (problem) => ({ passed: 0, failed: 0, skipped: 0, problem });

/** Adds the rules that hold for every suite: it executed something, and a bad end is explained by failed tests. */
export function judged(counts, failure) {
  if (counts.problem) return counts;
  if (counts.passed + counts.failed === 0)
    return { ...counts, problem: failure ? `${failure}, no test ran` : 'no test ran' };
  if (failure && counts.failed === 0) return { ...counts, problem: `${failure}, though no test failed` };
  return counts;
}

function read(file, failure) {
  if (!existsSync(file)) return nothing(failure ?? 'wrote no report');
  return readFileSync(file, 'utf8');
}

function readJson(file, failure, count) {
  const text = read(file, failure);
  if (typeof text !== 'string') return text;
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    return nothing(`${failure ?? 'ended well'}, but its report is cut short`);
  }
  return judged(count(report), failure);
}

/**
 * Vitest's `--reporter=json`. A test file that fails to load holds no tests: each one counts as a failure.
 * @param {string} file @param {string | undefined} failure how the runner ended, if badly. @returns {Counts}
 */
export function readVitestJson(file, failure) {
  return readJson(file, failure, (report) => ({
    passed: report.numPassedTests,
    failed:
      report.numFailedTests +
      report.testResults.filter((f) => f.status === 'failed' && f.assertionResults.length === 0).length,
    skipped: report.numPendingTests + report.numTodoTests,
  }));
}

/** Playwright's `--reporter=json`; a test that passed only on a second try counts as failed. @returns {Counts} */
export function readPlaywrightJson(file, failure) {
  return readJson(file, failure, ({ stats, errors }) => ({
    passed: stats.expected,
    failed: stats.unexpected + stats.flaky + (errors?.length ?? 0),
    skipped: stats.skipped,
  }));
}

/** doctest's `--reporters=xml`: test cases, not assertions. @returns {Counts} */
export function readDoctestXml(file, failure) {
  const text = read(file, failure);
  if (typeof text !== 'string') return text;
  const totals = /<OverallResultsTestCases\s+([^>]*)\/>/.exec(text)?.[1];
  if (totals === undefined) return nothing(`${failure ?? 'ended well'}, but its report has no totals`);
  const number = (name) => Number(new RegExp(`${name}="(\\d+)"`).exec(totals)?.[1] ?? Number.NaN);
  const counts = { passed: number('successes'), failed: number('failures'), skipped: 0 };
  if (Number.isNaN(counts.passed + counts.failed)) return nothing('its report has totals without numbers');
  return judged(counts, failure);
}
