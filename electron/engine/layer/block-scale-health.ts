/** What a contract does to the block scales: shares of zero and subnormal E4M3 values before and after. */
import type { Contract } from '../../contract/layer';
import type { NativeBinding, NativeTensor, TaskOptions, TensorStats } from '../native/binding';
import type { LoadedLayer } from './load-layer';

export interface BlockScaleShares {
  /** block scales counted, padding left out */
  count: number;
  min: number;
  max: number;
  /** shares of `count`, 0 .. 1 */
  zero: number;
  subnormal: number;
  saturated: number;
  /** the expert with the most zero and subnormal scales, and its share of both */
  worstExpert: number;
  worstShare: number;
}
export interface BlockScaleHealth {
  tensor: string;
  before: BlockScaleShares;
  after: BlockScaleShares;
}

/** For w13_weight_scale and w2_weight_scale: as the checkpoint has them, and as `contract` leaves them for b12x. */
export async function blockScaleHealth(
  binding: NativeBinding,
  layer: LoadedLayer,
  contract: Contract,
  task: TaskOptions = {},
): Promise<BlockScaleHealth[]> {
  const prepared = await binding.prepareLayer(layer.native, { contract, threshold: 0 }, task);
  const named = (tensors: NativeTensor[], name: string) => tensors.find((tensor) => tensor.info().name === name);
  const found: BlockScaleHealth[] = [];
  for (const tensor of ['w13_weight_scale', 'w2_weight_scale']) {
    const before = named(layer.native.tensors(), tensor);
    const after = named(prepared.tensors(), tensor);
    if (before && after)
      found.push({ tensor, before: shares(await before.stats()), after: shares(await after.stats()) });
  }
  return found;
}

function shares(planes: readonly TensorStats[]): BlockScaleShares {
  const sum = (pick: (plane: TensorStats) => number) => planes.reduce((total, plane) => total + pick(plane), 0);
  const count = sum((plane) => plane.count);
  const lost = (plane: TensorStats) => (plane.zero + plane.subnormal) / plane.count;
  const worstExpert = planes.reduce((worst, plane, expert) => (lost(plane) > lost(planes[worst]!) ? expert : worst), 0);
  return {
    count,
    min: Math.min(...planes.map((plane) => plane.min)),
    max: Math.max(...planes.map((plane) => plane.max)),
    zero: sum((plane) => plane.zero) / count,
    subnormal: sum((plane) => plane.subnormal) / count,
    saturated: sum((plane) => plane.saturated) / count,
    worstExpert,
    worstShare: lost(planes[worstExpert]!),
  };
}
