/** Hazards of a checkpoint's layers, of a live layer, and of a recorded session. */
import { AppError } from '../../contract/errors';
import type { HazardReport } from '../../contract/hazards';
import type { Contract, LayerSummary } from '../../contract/layer';
import type { Checkpoint } from '../checkpoint/checkpoint';
import type { LayerPlan } from '../checkpoint/layer-plan';
import { loadLayer, type Merge } from '../layer/load-layer';
import type { NativeBinding, RuleLimits, TaskOptions } from '../native/binding';
import type { Source } from '../run/source';
import { layerTensor } from '../tensors/layer-tensors';
import { bySeverity, detectHazards, emptyReport, joinReports } from './detect';
import { layerFacts } from './facts';
import { mergeFacts } from './merge-facts';
import { refusedLayer, refusedScalars } from './refused';

export interface CheckpointOptions {
  contract: Contract;
  merge: Merge;
  rules: { id: string; limits: RuleLimits };
  /** default: every MoE layer */
  layers?: readonly number[];
  task?: TaskOptions;
  onLayer?(layer: number, done: number, total: number): void;
}

/**
 * Loads one layer after the other and looks at it; a layer that cannot be loaded becomes a finding.
 * @throws AppError `not-moe` for a layer that is none, or where the checkpoint has none; `cancelled`, `out-of-memory`.
 */
export async function checkpointHazards(
  binding: NativeBinding,
  checkpoint: Checkpoint,
  options: CheckpointOptions,
): Promise<HazardReport> {
  const moe = checkpoint.layers.filter(({ entry }) => entry.kind === 'moe').map(({ entry }) => entry.index);
  const wanted = options.layers ?? moe;
  if (wanted.length === 0) checkpoint.firstLayer();
  const reports: HazardReport[] = [];
  for (const [done, index] of wanted.entries()) {
    options.onLayer?.(index, done, wanted.length);
    reports.push(await oneLayer(binding, checkpoint, index, options));
  }
  return joinReports(reports);
}

async function oneLayer(
  binding: NativeBinding,
  checkpoint: Checkpoint,
  index: number,
  options: CheckpointOptions,
): Promise<HazardReport> {
  const { contract, merge, rules, task = {} } = options;
  try {
    const plan = checkpoint.plan(index);
    const refused = await refusedScalars(checkpoint, plan, binding);
    if (refused.length > 0) return { ...emptyReport(), findings: refused };
    const layer = await loadLayer(checkpoint, index, binding, { merge, ...task });
    return detectHazards(
      await layerFacts(
        binding,
        {
          layer: index,
          shape: plan.shape,
          contract,
          quantization: plan.quantization,
          meantActivations: meansActivations(checkpoint, plan),
          merge: await mergeFacts(binding, checkpoint, layer, task),
          rules,
          tensors: layer.native.tensors().map((tensor) => layerTensor('checkpoint', tensor)),
        },
        task,
      ),
    );
  } catch (thrown) {
    const error = AppError.from(thrown);
    // What concerns the machine or the request is not the layer's fault.
    if (['cancelled', 'out-of-memory', 'internal', 'not-moe', 'usage'].includes(error.code)) throw error;
    return { ...emptyReport(), findings: [refusedLayer(index, error)] };
  }
}

const meansActivations = ({ quantization }: Checkpoint, { prefix }: LayerPlan): boolean =>
  !quantization.exclude.matches(`${prefix}.0.up_proj`) && quantization.expertAlgo(`${prefix}.0.up_proj`) === 'nvfp4';

export interface SourceOptions {
  summary: LayerSummary;
  /** the configuration says NVFP4 activations */
  meantActivations: boolean;
  /** null where the rules of a recording are not in this build */
  rules: { id: string; limits: RuleLimits } | null;
}

/** The layer that a window looks at, live or recorded, with its prepared parameters. */
export async function sourceHazards(
  binding: NativeBinding,
  source: Pick<Source, 'shape' | 'contract' | 'layerTensors' | 'mergeFacts'>,
  { summary, meantActivations, rules }: SourceOptions,
  task: TaskOptions = {},
): Promise<HazardReport> {
  const { merge: rule, differingGateUp: differing, rescaledBlockScales } = summary;
  const merged = { rule, differing, rescaledBlockScales, ratio: null, rounding: null };
  const report = detectHazards(
    await layerFacts(
      binding,
      {
        layer: summary.index,
        shape: source.shape,
        contract: source.contract,
        quantization: summary.hybrid.possible ? 'nvfp4' : 'w4a16',
        meantActivations,
        merge: (await source.mergeFacts(task)) ?? merged,
        rules,
        tensors: await source.layerTensors(),
      },
      task,
    ),
  );
  return { ...report, findings: bySeverity(report.findings) };
}
