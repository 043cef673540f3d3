/** The hazard part of `inspect`: findings of a checkpoint's layers or of a recorded session, as data and as text. */
import type { Finding, HazardReport } from '../contract/hazards';
import type { Contract } from '../contract/layer';
import { type Checkpoint, ranges } from '../engine/checkpoint/checkpoint';
import { listRules, loadRules } from '../engine/dispatch/rules';
import { bySeverity } from '../engine/hazards/detect';
import { recordedOrder } from '../engine/hazards/recorded-output';
import { checkpointHazards, sourceHazards } from '../engine/hazards/report';
import type { Merge } from '../engine/layer/load-layer';
import { ReplaySource } from '../engine/session/replay-source';
import type { CliContext } from './context';
import { number } from './text';

/** Looks at the layers, with progress. `layers` undefined: all MoE layers. */
export function hazardsOf(
  checkpoint: Checkpoint,
  { contract, merge, layers }: { contract: Contract; merge: Merge; layers?: readonly number[] },
  context: CliContext,
): Promise<HazardReport> {
  const { limits } = loadRules(undefined, context.env);
  return checkpointHazards(context.binding(), checkpoint, {
    ...{ contract, merge, rules: { id: limits.id, limits }, task: { cancel: context.cancelFlag() } },
    ...(layers && { layers }),
    onLayer: (layer, done, total) => context.progress(`looking for hazards, layer ${layer}`, done, total),
  });
}

/** Findings of the layer that a session was recorded with. @throws AppError as `ReplaySource.open`, `session-incomplete`. */
export async function inspectSession(path: string, context: CliContext): Promise<HazardReport> {
  const binding = context.binding();
  const source = await ReplaySource.open(path, () => binding);
  try {
    const { layer, checkpoint, rules } = source.environment;
    // A recording may name rules of another build.
    const known = listRules().some(({ id }) => id === rules) ? loadRules(rules, {}).limits : null;
    const looked = await sourceHazards(
      binding,
      source,
      {
        summary: layer,
        meantActivations: checkpoint?.quantAlgo === 'NVFP4',
        rules: known && { id: rules, limits: known },
      },
      { cancel: context.cancelFlag() },
    );
    const order = await recordedOrder(binding, source, context.cancelFlag());
    const report = { ...looked, findings: bySeverity([...looked.findings, ...(order ? [order] : [])]) };
    const info = source.info();
    context.result({ session: { path: info.path, name: info.name, contract: source.contract }, ...report }, () =>
      [
        `${info.name}: layer ${layer.index} of ${checkpoint?.name ?? 'an unknown checkpoint'}, ${source.contract}, recorded ${info.createdAt}`,
        '',
        findingsText(report),
      ].join('\n'),
    );
    return report;
  } finally {
    await source.dispose();
  }
}

/** Whether a report fails the command. */
export const failed = ({ findings }: HazardReport): boolean => findings.some(({ severity }) => severity === 'error');

function measuredText(measured: Finding['measured']): string {
  return Object.entries(measured)
    .map(([name, value]) => `${name} ${typeof value === 'number' && !Number.isInteger(value) ? number(value) : value}`)
    .join(', ');
}

function findingText({ id, title, severity, layer, tensor, projection, experts, ...rest }: Finding): string {
  const which = experts.length === 0 ? '' : `, experts ${ranges([...experts].sort((a, b) => a - b))}`;
  const where = [tensor, projection].filter((part) => part !== null).join(' ');
  return [
    `${severity}  ${id}  layer ${layer}${where ? `, ${where}` : ''}${which}`,
    `  ${title}`,
    `  measured   ${measuredText(rest.measured)}`,
    `  why        ${rest.explanation}`,
    `  reference  ${rest.reference}`,
    `  to do      ${rest.remedy}`,
  ].join('\n');
}

/** All findings, most severe first, and what could not be checked. */
export function findingsText({ findings, checks }: HazardReport): string {
  const count = (severity: Finding['severity']) => findings.filter((finding) => finding.severity === severity).length;
  const unchecked = new Map<string, number[]>();
  for (const { id, outcome, what, layer } of checks) {
    if (outcome !== 'not-checked') continue;
    const text = `${id}: ${what}`;
    unchecked.set(text, [...(unchecked.get(text) ?? []), layer]);
  }
  const lines = [
    `Hazards: ${count('error')} errors, ${count('warning')} warnings, ${count('info')} remarks`,
    ...findings.flatMap((finding) => ['', findingText(finding)]),
  ];
  if (unchecked.size > 0) lines.push('', 'Not checked:');
  for (const [text, layers] of unchecked) lines.push(`  layer ${ranges(layers)}: ${text}`);
  return lines.join('\n');
}
