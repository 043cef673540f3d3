/** Commands of the panel. */
import type { Finding } from '../../../electron/contract/hazards';
import { argument, needed } from '../../commands/arguments';
import { type Command, registerCommands, runCommand } from '../../commands/registry';
import { useView } from '../../stores/view';
import { keyOf, useHazards } from './state';

/** Shows the tensor of a finding in Scales, at its worst expert. */
export async function openInScales({ tensor, experts }: Finding): Promise<void> {
  await runCommand('scales.open', { tensor, ...(experts.length > 0 && { plane: experts[0] }) });
}

/** A finding by its id and, where there are several, its projection. */
function select(args: unknown): void {
  const id = needed(argument(args, 'id', 'string'), 'hazards.select', 'id');
  const projection = argument(args, 'projection', 'string');
  const found = useHazards
    .getState()
    .report?.findings.find((one) => one.id === id && (projection === undefined || one.projection === projection));
  useView.setState({ panel: 'hazards' });
  if (found) useHazards.setState({ selected: keyOf(found) });
}

const commands: Command[] = [
  { id: 'hazards.select', title: 'Show a hazard', group: 'Hazards', hidden: true, run: select },
];

registerCommands(commands);
