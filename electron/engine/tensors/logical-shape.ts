import type { LayerShape } from '../../contract/layer';
import type { TensorInfo } from '../native/binding';

export interface LogicalShape {
  planes: number;
  rows: number;
  columns: number;
}

/** Elements along K under one block scale. */
export const blockElements = 16;

/** Published names of FC1's tensors begin with w13 or w1, of FC2's with w2. */
const isFc1 = (name: string) => name.startsWith('w1');

/**
 * Planes (experts), rows and columns of a tensor without padding, as the native side counts them (core/tensor/tensor.h):
 * rank 1 is planes of one element, rank 2 one plane, rank 3 planes. Swizzled scales store padding, so theirs come from the
 * layer: [2I or I, H/16] for FC1, [H, I/16] for FC2.
 */
export function logicalShape(
  { name, layout, shape }: Pick<TensorInfo, 'name' | 'layout' | 'shape'>,
  layer: LayerShape,
): LogicalShape {
  if (layout === 'sf128x4' || layout === 'mma6d') {
    const rows = isFc1(name) ? layer.intermediate * (layer.gated ? 2 : 1) : layer.hidden;
    const columns = (isFc1(name) ? layer.hidden : layer.intermediate) / blockElements;
    return { planes: layer.experts, rows, columns };
  }
  if (shape.length <= 1) return { planes: shape[0] ?? 1, rows: 1, columns: 1 };
  const columns = (shape[shape.length - 1] as number) * (layout === 'fp4' ? 2 : 1);
  return {
    planes: shape.slice(0, -2).reduce((product, size) => product * size, 1),
    rows: shape[shape.length - 2] as number,
    columns,
  };
}
