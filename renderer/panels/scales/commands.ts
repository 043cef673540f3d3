/** Commands of the panel. */
import { AppError } from '../../../electron/contract/errors';
import { argument, needed } from '../../commands/arguments';
import { type Command, registerCommands } from '../../commands/registry';
import { useConnection } from '../../stores/connection';
import { ask } from '../../stores/request';
import { useSelection } from '../../stores/selection';
import { useView } from '../../stores/view';
import { mappings } from '../../tensorview/range';
import { changeLook, pickElement, showPlane, showTensor, useScales } from './state';
import { firstChoice } from './tensors';

const noLayer = () => (useConnection.getState().engine?.layer ? null : 'No layer is loaded.');

/** @throws AppError `missing-tensor` with the ids there are. */
async function findTensor(id: string) {
  const { batch } = useSelection.getState();
  // The list of a live batch comes from running it: only its own tensors need that.
  const tensors = await ask('tensor.list', id.startsWith('batch/') && batch !== null ? { batch } : {});
  const tensor = tensors.find((candidate) => candidate.id === id);
  if (tensor) return tensor;
  const expected = `one of ${tensors.map((candidate) => candidate.id).join(', ')}`;
  throw new AppError({ code: 'missing-tensor', message: `There is no tensor "${id}".`, subject: id, expected });
}

async function open(args: unknown) {
  const tensor = argument(args, 'tensor', 'string');
  const plane = argument(args, 'plane', 'number');
  const row = argument(args, 'row', 'number');
  const column = argument(args, 'column', 'number');
  useView.setState({ panel: 'scales' });
  if (tensor !== undefined) showTensor(await findTensor(tensor));
  if (plane !== undefined) showPlane(plane);
  if (row !== undefined && column !== undefined) pickElement(plane ?? useScales.getState().plane, row, column);
}

function range(args: unknown) {
  const lo = argument(args, 'lo', 'number');
  const hi = argument(args, 'hi', 'number');
  const log = argument(args, 'log', 'boolean');
  const named = mappings.find((known) => known === argument(args, 'mapping', 'string'));
  const mapping = named ?? (useScales.getState().against === null ? 'sequential' : 'ratio');
  const chosen = lo !== undefined && hi !== undefined ? { lo, hi } : null;
  changeLook(mapping, { range: chosen, ...(log !== undefined && { log }) });
}

/** Of the tensor named, else of the one chosen, else of the one that is shown first. */
async function tryLayouts(args: unknown) {
  const named = argument(args, 'tensor', 'string') ?? useSelection.getState().tensor;
  const tensor = named === null ? firstChoice(await ask('tensor.list', {})) : await findTensor(named);
  if (tensor?.role !== 'block-scale')
    throw new AppError({
      code: 'bad-option',
      message: 'Only block scales have layouts to try.',
      subject: tensor?.id ?? 'tensor',
      expected: 'a block-scale tensor, e.g. b12x/w13_weight_scale',
    });
  useView.setState({ panel: 'scales' });
  showTensor(tensor);
  useScales.setState({ layouts: tensor.id });
}

const commands: Command[] = [
  { id: 'scales.open', title: 'Open scales', group: 'Scales', hidden: true, run: open },
  {
    id: 'scales.pick',
    title: 'Pick an element',
    group: 'Scales',
    hidden: true,
    unavailable: noLayer,
    run: (args) =>
      pickElement(
        argument(args, 'plane', 'number') ?? useScales.getState().plane,
        needed(argument(args, 'row', 'number'), 'scales.pick', 'row'),
        needed(argument(args, 'column', 'number'), 'scales.pick', 'column'),
      ),
  },
  {
    id: 'scales.plane',
    title: 'Show an expert',
    group: 'Scales',
    hidden: true,
    unavailable: noLayer,
    run: (args) => showPlane(needed(argument(args, 'plane', 'number'), 'scales.plane', 'plane')),
  },
  {
    id: 'scales.ratio',
    title: 'Show the values, not a ratio',
    group: 'Scales',
    unavailable: noLayer,
    run: (args) => useScales.setState({ against: argument(args, 'against', 'string') ?? null }),
  },
  {
    id: 'scales.layouts',
    title: 'Try every layout of a block-scale tensor',
    group: 'Scales',
    unavailable: noLayer,
    run: tryLayouts,
  },
  {
    id: 'scales.fit',
    title: 'Show the whole plane',
    group: 'Scales',
    run: () => useScales.setState({ view: null }),
  },
  { id: 'scales.range', title: 'Automatic colour range', group: 'Scales', run: range },
];

registerCommands(commands);
