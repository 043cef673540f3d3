/** Which step of the chain decided the path. */
import type { Decision, DecisionStep } from '../../../electron/contract/layer';

/** The step that gave the kernel: the last one that held and leads to the path or kernel taken; else the last that held. */
export function decidingStep(decision: Decision): DecisionStep | null {
  const held = decision.steps.filter(({ outcome }) => outcome);
  const wanted = [decision.kernel, decision.path].map((name) => name.toLowerCase());
  const naming = held.filter(({ leads }) => wanted.some((name) => leads.toLowerCase().includes(name)));
  return naming[naming.length - 1] ?? held[held.length - 1] ?? decision.steps[decision.steps.length - 1] ?? null;
}
