/** Fields of a link: expert, tensor divided by, part of the plane, colour range. Tensor and element are the window's own. */
import { type AddressPart, numbersOf, rangeOf, rangeText, viewOf, viewText } from '../../tensorview/address';
import { type ScalesState, useScales } from './state';

export const scalesAddress: AddressPart<ScalesState> = {
  keys: ['expert', 'against', 'zoom', 'colours'],
  write: ({ plane, against, view, looks }, fields) => {
    if (plane > 0) fields.set('expert', String(plane));
    if (against !== null) fields.set('against', against);
    if (view) fields.set('zoom', viewText(view));
    const { range } = looks[against === null ? 'sequential' : 'ratio'];
    if (range) fields.set('colours', rangeText(range));
  },
  read: (fields) => {
    const { looks } = useScales.getState();
    const against = fields.get('against');
    const [plane] = numbersOf(fields.get('expert'), 1) ?? [];
    const view = viewOf(fields.get('zoom'));
    const range = rangeOf(fields.get('colours'));
    const mapping = against === null ? 'sequential' : 'ratio';
    return {
      ...(plane !== undefined && Number.isInteger(plane) && plane >= 0 && { plane }),
      ...(against !== null && against.length <= 256 && { against }),
      ...(view && { view }),
      ...(range && { looks: { ...looks, [mapping]: { ...looks[mapping], range } } }),
    };
  },
};
