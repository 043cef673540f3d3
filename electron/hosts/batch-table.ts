/** The first batches as a table on the terminal: what ran, why, how long, and how far the two paths are apart. */
import { type BatchRow, measuredMicroseconds } from '../contract/batch';
import { decidingSteps } from '../contract/deciding-steps';
import type { Decision, DecisionStep } from '../contract/layer';

const widths = { batch: 5, tokens: 6, path: 17, rule: 50, time: 10, nrmse: 9 };

/** "hybrid threshold 128 >= 64 tokens (argument)": a step in one line. The rule file's constants carry no origin. */
export function describeStep({ name, value, comparison, limit, unit, outcome, origin }: DecisionStep): string {
  const where = origin.kind === 'constant' ? '' : ` (${origin.kind})`;
  return `${name} ${value}${outcome ? '' : ' not'} ${comparison} ${limit}${unit === '' ? '' : ` ${unit}`}${where}`;
}

/** Microseconds with a unit that keeps three digits; a dash where there is no time. */
export function duration(microseconds: number | null): string {
  if (microseconds === null || !Number.isFinite(microseconds)) return '-';
  // Not 1000: what rounds up to 1000 belongs to the next unit.
  if (microseconds < 999.5) return `${microseconds.toPrecision(3)} us`;
  if (microseconds < 999.5e3) return `${(microseconds / 1000).toPrecision(3)} ms`;
  return `${(microseconds / 1e6).toPrecision(3)} s`;
}

const cell = (text: string, width: number) =>
  text.length > width ? `${text.slice(0, width - 3)}...` : text.padEnd(width);

function line(batch: string, tokens: string, path: string, rule: string, time: string, nrmse: string): string {
  return [
    batch.padStart(widths.batch),
    tokens.padStart(widths.tokens),
    cell(path, widths.path),
    cell(rule, widths.rule),
    time.padStart(widths.time),
    nrmse.padStart(widths.nrmse),
  ].join('  ');
}

/** NRMSE is of the path that ran against the other one. */
export const tableHead = (): string => line('batch', 'tokens', 'path', 'rule that decided', 'time', 'NRMSE');

/** One batch; `decision` null when the engine did not tell. */
export function tableRow(row: BatchRow, decision: Decision | null): string {
  const step = decision === null ? null : decidingSteps(decision).kernel;
  const path = row.path === row.kernel ? row.path : `${row.path} ${row.kernel}`;
  const rule = row.error === null ? (step === null ? '' : describeStep(step)) : row.error.message;
  const nrmse = row.nrmse === null ? '-' : row.nrmse.toExponential(2);
  return line(String(row.index), String(row.tokens), path, rule, duration(measuredMicroseconds(row)), nrmse);
}
