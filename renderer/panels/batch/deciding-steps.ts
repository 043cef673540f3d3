/** Which steps of the chain decided: one chose between b12x and CUTLASS, one the kernel. */
import type { Decision, DecisionStep } from '../../../electron/contract/layer';

export interface DecidingSteps {
  /** sent the batch to its path; null where no step names it (a path that was given) */
  path: DecisionStep | null;
  /** chose the kernel within b12x; the same step as `path` for CUTLASS */
  kernel: DecisionStep | null;
}

/** The last step whose result leads to the path, and the last that leads to the kernel; a step decides by not holding, too. */
export function decidingSteps(decision: Decision): DecidingSteps {
  const lastLeadingTo = (name: string) =>
    [...decision.steps].reverse().find(({ leads }) => bare(leads) === bare(name)) ?? null;
  const path = lastLeadingTo(decision.path);
  return { path, kernel: lastLeadingTo(decision.kernel) ?? path };
}

/** Rules write "direct micro", the kernel's id is "direct-micro". */
function bare(name: string): string {
  return name.toLowerCase().replaceAll('-', ' ');
}

/** "40 >= 32 tokens: yes" */
export function stepText({ value, comparison, limit, unit, outcome }: DecisionStep): string {
  return `${plain(value)} ${comparison} ${plain(limit)} ${unit}: ${outcome ? 'yes' : 'no'}`;
}

/** A value of a step: whole numbers as they are, others with two decimals. */
export function plain(value: DecisionStep['value']): string {
  return typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(2) : String(value);
}
