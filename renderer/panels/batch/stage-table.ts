/** The stages of all paths side by side. */
import type { BatchDetail } from '../../../electron/contract/batch';

export interface StageRow {
  stage: string;
  /** one entry a path, in the order of `times`; null where the path has no such stage */
  microseconds: (number | null)[];
}

/** Providers that time the whole batch give it under this name; it is no stage. */
const whole = 'total';

/** Rows in the order in which the stages first appear, the largest of them, and the whole of each path: measured, else the sum. */
export function stageTable(times: BatchDetail['times']) {
  const names = new Set(times.flatMap(({ stages }) => stages.map(({ stage }) => stage)));
  names.delete(whole);
  const timeOf = (time: BatchDetail['times'][number], name: string) =>
    time.stages.find(({ stage }) => stage === name)?.microseconds ?? null;
  const stages: StageRow[] = [...names].map((stage) => ({
    stage,
    microseconds: times.map((time) => timeOf(time, stage)),
  }));
  const largest = Math.max(0, ...stages.flatMap(({ microseconds }) => microseconds.map((time) => time ?? 0)));
  const totals = times.map(
    (time) => timeOf(time, whole) ?? time.stages.reduce((sum, { microseconds }) => sum + microseconds, 0),
  );
  return { stages, largest, totals };
}
