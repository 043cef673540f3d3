/** What merging gate and up under one weight_scale_2 did, measured against the checkpoint's own scales. */
import type { Checkpoint } from '../checkpoint/checkpoint';
import type { LayerPlan, ProjectionPlan } from '../checkpoint/layer-plan';
import { type LoadedLayer, loadLayer } from '../layer/load-layer';
import { readScale } from '../layer/scales';
import type { NativeBinding, TaskOptions } from '../native/binding';
import { addRounding, Census, e4m3Of, noRounding, type Rounding } from './census';
import type { MergeFacts } from './facts';

/**
 * Small-form scalars of gate and up, and what the second rounding did. The originals are read again: with `column-0` the loader
 * leaves block scales as they are. @throws what `loadLayer` throws
 */
export async function mergeFacts(
  binding: NativeBinding,
  checkpoint: Checkpoint,
  layer: LoadedLayer,
  task: TaskOptions,
): Promise<MergeFacts> {
  const { plan, report, merge: rule } = layer;
  const facts: MergeFacts = {
    rule,
    differing: report.differingGateUp,
    rescaledBlockScales: report.rescaledBlockScales,
    ratio: null,
    rounding: null,
  };
  if (!plan.gate || facts.differing === 0) return facts;
  const small = async ({ s2 }: ProjectionPlan) =>
    Float32Array.from(
      await Promise.all(
        s2.map(async (tensor) => {
          const value = readScale(tensor, await checkpoint.file(tensor.file, binding), 'weight', plan.convention);
          return plan.convention === 'small' ? value : 1 / value;
        }),
      ),
    );
  const gate = await small(plan.gate);
  const up = await small(plan.up);
  const ratio = Float64Array.from(gate, (value, expert) => value / up[expert]!);
  const rounding = rule === 'max' ? await secondRounding(binding, checkpoint, plan, gate, up, task) : null;
  return { ...facts, ratio, rounding };
}

async function secondRounding(
  binding: NativeBinding,
  checkpoint: Checkpoint,
  plan: LayerPlan,
  gate: Float32Array,
  up: Float32Array,
  task: TaskOptions,
): Promise<Rounding> {
  const { native } = await loadLayer(checkpoint, plan.index, binding, { merge: 'column-0', ...task });
  const named = (name: string) => native.tensors().find((tensor) => tensor.info().name === name)!;
  const e4m3 = e4m3Of(binding);
  let sum = noRounding();
  for (const [half, own, row0] of [
    ['up', up, 0],
    ['gate', gate, plan.shape.intermediate],
  ] as const) {
    const range = { row0, rows: plan.shape.intermediate };
    const census = new Census(
      await binding.blockCensus(named('w13_weight_scale'), named('w13_weight'), range, task),
      e4m3,
      true,
    );
    const other = half === 'up' ? gate : up;
    for (let expert = 0; expert < plan.shape.experts; expert++) {
      if (own[expert]! >= other[expert]!) continue;
      sum = addRounding(sum, census.rounded(expert, Math.fround(own[expert]! / other[expert]!)));
    }
  }
  return sum;
}
