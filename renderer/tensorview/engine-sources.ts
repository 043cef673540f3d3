/** Tile sources over the engine: a plane of a tensor, its ratio to another tensor, the difference of two answers. */
import type { Side, Stage } from '../../electron/contract/batch';
import type { TensorDescriptor } from '../../electron/contract/tensor';
import { ask } from '../stores/request';
import type { TileSource } from './source';

export interface PlaneOf {
  tensor: TensorDescriptor;
  /** expert, or 0 */
  plane: number;
  /** batch of a `batch/...` tensor, else null */
  batch: number | null;
  /** changes when the layer does: the same id then has other numbers */
  layerKey: string;
}

const batchOf = ({ batch }: PlaneOf) => (batch === null ? {} : { batch });

/** Values of one plane. */
export function tensorSource(of: PlaneOf): TileSource {
  const { tensor, plane } = of;
  return {
    key: ['tensor', of.layerKey, tensor.id, of.batch, plane].join('|'),
    rows: tensor.rows,
    columns: tensor.columns,
    fetch: (request, signal) => ask('tensor.tile', { id: tensor.id, plane, ...batchOf(of), ...request }, { signal }),
  };
}

/** This tensor divided by `against`, element by element. */
export function ratioSource(of: PlaneOf, against: string): TileSource {
  const { tensor, plane } = of;
  return {
    key: ['ratio', of.layerKey, tensor.id, against, of.batch, plane].join('|'),
    rows: tensor.rows,
    columns: tensor.columns,
    fetch: (request, signal) =>
      ask('tensor.ratioTile', { id: tensor.id, against, plane, ...batchOf(of), ...request }, { signal }),
  };
}

export interface DifferenceOf {
  batch: number;
  a: Side;
  b: Side;
  stage: Stage;
  rows: number;
  columns: number;
  layerKey: string;
}

/** a - b of one stage: signed in the mean of a cell, by magnitude in its extremes. */
export function differenceSource({ batch, a, b, stage, rows, columns, layerKey }: DifferenceOf): TileSource {
  return {
    key: ['difference', layerKey, batch, a, b, stage].join('|'),
    rows,
    columns,
    fetch: (request, signal) => ask('diff.tile', { batch, a, b, stage, ...request }, { signal }),
  };
}
