/** What a hazard is: a rule that looks at the facts of one layer and says what it found. */
import type { Finding, Severity } from '../../contract/hazards';
import type { LayerFacts } from './facts';

/** What a rule says of one place; id, title, layer and reference come from the hazard. */
export interface Found {
  severity: Severity;
  tensor: string | null;
  projection?: Finding['projection'];
  experts?: readonly number[];
  measured: Finding['measured'];
  explanation: string;
  remedy: string;
}

export interface Hazard {
  id: string;
  title: string;
  /** public issues and pull requests that the rule and its bands rest on */
  reference: string;
  /** what was looked at, for the list of checks */
  looksAt: string;
  /** why it cannot be looked for on this layer; null when it can */
  notChecked?(facts: LayerFacts): string | null;
  find(facts: LayerFacts): Found[];
}

/** Fills in what all findings of a hazard share. */
export function findingOf(hazard: Pick<Hazard, 'id' | 'title' | 'reference'>, layer: number, found: Found): Finding {
  const { severity, tensor, projection = null, experts = [], measured, explanation, remedy } = found;
  const { id, title, reference } = hazard;
  return {
    id,
    title,
    severity,
    layer,
    tensor,
    projection,
    experts: [...experts],
    measured,
    explanation,
    reference,
    remedy,
  };
}

/** Experts whose value passes `limit`, largest first. */
export function expertsAbove(values: readonly number[], limit: number): number[] {
  return values
    .map((value, expert) => ({ value, expert }))
    .filter(({ value }) => value >= limit)
    .sort((a, b) => b.value - a.value || a.expert - b.expert)
    .map(({ expert }) => expert);
}

/** "4.57 %". */
export const percentText = (share: number): string => (share === 0 ? '0 %' : `${(share * 100).toPrecision(3)} %`);
