import { loadRules } from '../dispatch/rules';
import { emptyReport } from '../hazards/detect';
import { sourceHazards } from '../hazards/report';
import type { RuleLimits } from '../native/binding';
import { type Handlers, taskOf, throwIfCancelled } from './handler';

/** Hazards of what is looked at. */
export const hazardHandlers: Handlers<'hazards.list'> = {
  'hazards.list': async ({ inspector }, _, call) => {
    const source = inspector.sourceOrNull();
    const { layer, checkpoint, rules, ruleFiles } = inspector.state();
    if (!source || !layer) return emptyReport();
    // A recording may name rules of another build. The environment moves only the static cut-over, which no hazard asks for.
    const limits: RuleLimits | null = ruleFiles.some(({ id }) => id === rules) ? loadRules(rules, {}).limits : null;
    const report = await sourceHazards(
      inspector.binding,
      source,
      { summary: layer, meantActivations: checkpoint?.quantAlgo === 'NVFP4', rules: limits && { id: rules, limits } },
      taskOf(call, 'looking for hazards'),
    );
    throwIfCancelled(call);
    return report;
  },
};
