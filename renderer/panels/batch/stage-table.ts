/** The stages of all paths side by side. */
import type { BatchDetail } from '../../../electron/contract/batch';

export interface StageRow {
  stage: string;
  /** one entry a path, in the order of `times`; null where the path has no such stage */
  microseconds: (number | null)[];
}

/** Rows in the order in which the stages first appear, and the largest time of all. */
export function stageTable(times: BatchDetail['times']): { stages: StageRow[]; largest: number } {
  const names = [...new Set(times.flatMap(({ stages }) => stages.map(({ stage }) => stage)))];
  const stages = names.map((stage) => ({
    stage,
    microseconds: times.map((time) => time.stages.find((own) => own.stage === stage)?.microseconds ?? null),
  }));
  const largest = Math.max(0, ...stages.flatMap(({ microseconds }) => microseconds.map((time) => time ?? 0)));
  return { stages, largest };
}
