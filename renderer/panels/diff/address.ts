/** Fields of a link: stage, element, part of the stage. Batch, pair and tolerance are the window's own. */
import { stages } from '../../../electron/contract/batch';
import { type AddressPart, numbersOf, viewOf, viewText } from '../../tensorview/address';
import type { DiffState } from './state';

export const diffAddress: AddressPart<DiffState> = {
  keys: ['stage', 'cell', 'diffzoom'],
  write: ({ stage, element, view }, fields) => {
    if (stage) fields.set('stage', stage);
    if (element) fields.set('cell', `${element.row},${element.column}`);
    if (view) fields.set('diffzoom', viewText(view));
  },
  read: (fields) => {
    const stage = stages.find((known) => known === fields.get('stage'));
    const [row, column] = numbersOf(fields.get('cell'), 2) ?? [];
    const view = viewOf(fields.get('diffzoom'));
    const whole =
      row !== undefined && column !== undefined && [row, column].every((at) => Number.isInteger(at) && at >= 0);
    return {
      ...(stage && { stage }),
      ...(whole && { element: { row, column } }),
      ...(view && { view }),
    };
  },
};
