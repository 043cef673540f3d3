/** Opens a checkpoint and loads one layer, with progress: how run, prepare and verify begin. */
import { Checkpoint } from '../engine/checkpoint/checkpoint';
import type { LayerPlan } from '../engine/checkpoint/layer-plan';
import { type LoadedLayer, loadLayer, type Merge } from '../engine/layer/load-layer';
import type { CliContext } from './context';

export interface OpenedCheckpointLayer {
  checkpoint: Checkpoint;
  layer: LoadedLayer;
}

/**
 * @param index layer number; the first MoE layer that can be loaded when absent
 * @param check asked before the layer, which may be large, is loaded
 * @throws AppError as `Checkpoint.open` and `loadLayer`
 */
export async function openLayer(
  context: CliContext,
  path: string,
  { layer: index, merge }: { layer?: number; merge: Merge },
  check: (checkpoint: Checkpoint, plan: LayerPlan) => Promise<void> = async () => undefined,
): Promise<OpenedCheckpointLayer> {
  const checkpoint = await Checkpoint.open(path, context.signal);
  for (const warning of checkpoint.summary.warnings) context.warn(warning);
  const wanted = index ?? checkpoint.firstLayer();
  await check(checkpoint, checkpoint.plan(wanted));
  const layer = await loadLayer(checkpoint, wanted, context.binding(), {
    merge,
    ...context.task(`loading layer ${wanted}`),
  });
  for (const note of layer.notes) context.note(`note: layer ${wanted}: ${note}`);
  return { checkpoint, layer };
}
