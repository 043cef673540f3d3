/** Commands of the panel. */
import { type Side, sides, stages } from '../../../electron/contract/batch';
import { AppError } from '../../../electron/contract/errors';
import { argument } from '../../commands/arguments';
import { type Command, registerCommands } from '../../commands/registry';
import { useSelection } from '../../stores/selection';
import { setPair, setTolerance, useView } from '../../stores/view';
import { measureCauses } from './explanation';
import { comparisonKey, showStage, useDiff } from './state';

/** @throws AppError `usage` unless it is absent or one of the names. */
function oneOf<T extends string>(args: unknown, key: string, names: readonly T[], command: string): T | undefined {
  const text = argument(args, key, 'string');
  const found = names.find((name) => name === text);
  if (text === undefined || found !== undefined) return found;
  throw new AppError({
    code: 'usage',
    message: `${command}: ${key} is unknown.`,
    expected: names.join(', '),
    found: text,
  });
}

function changeTolerance(args: unknown) {
  const change: { rtol?: number; atol?: number } = {};
  for (const key of ['rtol', 'atol'] as const) {
    const value = argument(args, key, 'number');
    if (value === undefined) continue;
    if (!(value >= 0 && Number.isFinite(value)))
      throw new AppError({
        code: 'usage',
        message: `diff.setTolerance: ${key} must be a number, zero or more.`,
        found: String(value),
      });
    change[key] = value;
  }
  setTolerance(change);
}

function changePair(args: unknown) {
  const side = (key: 'a' | 'b') => oneOf<Side>(args, key, sides, 'diff.setPair');
  const a = side('a');
  const b = side('b');
  setPair({ ...(a && { a }), ...(b && { b }) });
}

const commands: Command[] = [
  { id: 'diff.setTolerance', title: 'Set the tolerance', group: 'Diff', hidden: true, run: changeTolerance },
  { id: 'diff.setPair', title: 'Choose the pair', group: 'Diff', hidden: true, run: changePair },
  {
    id: 'diff.swap',
    title: 'Swap the sides of the comparison',
    group: 'Diff',
    run: () => {
      const { a, b } = useView.getState().pair;
      setPair({ a: b, b: a });
    },
  },
  {
    id: 'diff.stage',
    title: 'Show the first diverging stage',
    group: 'Diff',
    run: (args) => showStage(oneOf(args, 'stage', stages, 'diff.stage') ?? null),
  },
  {
    id: 'diff.causes',
    title: 'Measure the causes of the difference',
    group: 'Diff',
    unavailable: () => (useSelection.getState().batch === null ? 'No batch is selected.' : null),
    run: () => {
      const { batch } = useSelection.getState();
      const { pair } = useView.getState();
      useView.setState({ panel: 'diff' });
      return batch === null ? undefined : measureCauses(comparisonKey(batch, pair), { batch, ...pair });
    },
  },
  {
    id: 'diff.history',
    title: 'Show the history of an element of the output',
    group: 'Diff',
    hidden: true,
    run: (args) => {
      const at = (key: string) => argument(args, key, 'number');
      const [token = 0, column = 0, slot, element] = ['token', 'column', 'slot', 'element'].map(at);
      useDiff.setState({
        history: { token, column, ...(slot !== undefined && element !== undefined && { slot, element }) },
      });
    },
  },
  { id: 'diff.fit', title: 'Show the whole difference', group: 'Diff', run: () => useDiff.setState({ view: null }) },
];

registerCommands(commands);
