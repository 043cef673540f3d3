import { layoutsOfTensor } from '../analysis/layouts';
import { findTensor, listTensors } from '../tensors/catalog';
import { pickElement, ratioTile } from '../tensors/pick';
import { type Handlers, taskOf } from './handler';

type Names =
  | 'tensor.list'
  | 'tensor.tile'
  | 'tensor.ratioTile'
  | 'tensor.histogram'
  | 'tensor.stats'
  | 'tensor.layouts'
  | 'tensor.pick';

/** Tiles, statistics and picks of tensors that stay native. */
export const tensorHandlers: Handlers<Names> = {
  'tensor.list': async ({ inspector }, { batch }, call) => {
    const source = batch === undefined ? inspector.sourceOrNull() : inspector.sourceWith(batch);
    return source ? listTensors(inspector.binding, source, batch, call.cancel) : [];
  },
  'tensor.tile': async ({ inspector }, { id, batch, ...request }, call) => {
    const { tensor } = await findTensor(inspector.binding, inspector.source(), id, batch, call.cancel);
    return tensor.tile(request);
  },
  'tensor.ratioTile': ({ inspector }, request, call) =>
    ratioTile(inspector.binding, inspector.source(), request, call.cancel),
  'tensor.histogram': async ({ inspector }, { id, batch, plane }, call) => {
    const { tensor } = await findTensor(inspector.binding, inspector.source(), id, batch, call.cancel);
    return { counts: await tensor.histogram(plane) };
  },
  'tensor.stats': async ({ inspector }, { id, batch }, call) => {
    const { tensor } = await findTensor(inspector.binding, inspector.source(), id, batch, call.cancel);
    return (await tensor.stats()).map((stats, plane) => ({ plane, ...stats }));
  },
  'tensor.layouts': ({ inspector }, request, call) =>
    layoutsOfTensor(inspector.binding, inspector.source(), request, taskOf(call, 'trying every layout')),
  'tensor.pick': ({ inspector }, request, call) =>
    pickElement(inspector.binding, inspector.source(), request, call.cancel),
};
