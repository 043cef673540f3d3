/** All hazards, and what they find on one layer. */
import { type Finding, type HazardCheck, type HazardReport, severities } from '../../contract/hazards';
import { alphaRole, directMicro, unitActivation } from './activation-scale';
import { baking } from './baking';
import { hazardTensors, type LayerFacts } from './facts';
import { findingOf, type Hazard } from './hazard';
import { differingInput, missingInput } from './input-scales';
import { padding, scaleLayout } from './layout';
import { gateUpScales } from './merging';
import { doubleMultiplication, gateUpOrder } from './prepared';
import { badScale, reciprocal } from './refused';
import { lostBlocks, saturatedScales, subnormalScales, unroundedPacking, zeroBlocks } from './stored-scales';

/** In the order of their names; H4 and bad scales are looked for before a layer is loaded (refused.ts). */
export const hazards: readonly Hazard[] = [
  baking,
  alphaRole,
  directMicro,
  doubleMultiplication,
  gateUpOrder,
  unitActivation,
  saturatedScales,
  subnormalScales,
  lostBlocks,
  unroundedPacking,
  scaleLayout,
  padding,
  gateUpScales,
  missingInput,
  differingInput,
  zeroBlocks,
];

export const emptyReport = (): HazardReport => ({ findings: [], checks: [], tensors: [] });

/** Looks for every hazard on one layer. A loaded layer's scalars and block scales have been checked already. */
export function detectHazards(facts: LayerFacts): HazardReport {
  const { layer } = facts;
  const report = emptyReport();
  report.tensors = hazardTensors(facts);
  for (const { id, title, looksAt } of [reciprocal, badScale])
    report.checks.push({ id, title, layer, outcome: 'clear', what: looksAt });
  for (const hazard of hazards) {
    const { id, title, looksAt } = hazard;
    const reason = hazard.notChecked?.(facts) ?? null;
    const found = reason === null ? hazard.find(facts) : [];
    report.findings.push(...found.map((one) => findingOf(hazard, layer, one)));
    const outcome: HazardCheck['outcome'] = reason !== null ? 'not-checked' : found.length > 0 ? 'found' : 'clear';
    report.checks.push({ id, title, layer, outcome, what: reason ?? looksAt });
  }
  return report;
}

export function joinReports(reports: readonly HazardReport[]): HazardReport {
  return {
    findings: bySeverity(reports.flatMap(({ findings }) => findings)),
    checks: reports.flatMap(({ checks }) => checks),
    tensors: reports.flatMap(({ tensors }) => tensors),
  };
}

/** Most severe first, then by layer; within both, in the order of the hazards. */
export function bySeverity(findings: readonly Finding[]): Finding[] {
  const rank = (finding: Finding) => severities.indexOf(finding.severity);
  return [...findings].sort((a, b) => rank(a) - rank(b) || a.layer - b.layer);
}
