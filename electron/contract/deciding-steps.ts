/** Which steps of a decision chain decided: one chose between b12x and CUTLASS, one the kernel. Window and terminal name the same. */
import type { Decision, DecisionStep } from './layer';

export interface DecidingSteps {
  /** sent the batch to its path; null where no step names it (a path that was given) */
  path: DecisionStep | null;
  /** chose the kernel within b12x; the same step as `path` for CUTLASS */
  kernel: DecisionStep | null;
}

/**
 * The last step whose result leads to the path, and the last that leads to the kernel; a step decides by not holding, too.
 * Steps after it (tile, clusters) choose how the kernel runs, not which.
 */
export function decidingSteps(decision: Decision): DecidingSteps {
  const lastLeadingTo = (name: string) =>
    [...decision.steps].reverse().find(({ leads }) => bare(leads) === bare(name)) ?? null;
  const path = lastLeadingTo(decision.path);
  return { path, kernel: lastLeadingTo(decision.kernel) ?? path };
}

/** Rules write "direct micro", the kernel's id is "direct-micro". */
function bare(name: string): string {
  return name.toLowerCase().replace(/-/g, ' ');
}
