/** Legend of the marks, each to be switched on and off; shares beside them where they are known. */
import { formatShare } from '../format/numbers';
import { type MarkName, markNames } from './source';
import './marks-legend.css';

const markTitles: Record<MarkName, string> = {
  zero: 'zero',
  subnormal: 'subnormal',
  saturated: 'saturated',
  nan: 'NaN',
};
const markHints: Record<MarkName, string> = {
  zero: 'Elements that are exactly zero: a dot',
  subnormal: 'Elements with exponent bits 0 and a mantissa: the lower left corner',
  saturated: 'Elements at the largest value of the format: the upper right corner',
  nan: 'Elements that are not a number: a filled, crossed cell',
};

export interface MarksLegendProps {
  shown: Record<MarkName, boolean>;
  onChange: (shown: Record<MarkName, boolean>) => void;
  /** share of the plane's elements, 0..1 */
  shares?: Record<MarkName, number> | null;
  /** marks that can occur here; default: all */
  names?: readonly MarkName[];
}

export function MarksLegend({ shown, onChange, shares, names = markNames }: MarksLegendProps) {
  return (
    <fieldset className="marks-legend plain-fieldset" aria-label="Marks">
      {names.map((name) => (
        <label key={name} title={`${markHints[name]}; small cells are tinted whole`}>
          <input
            type="checkbox"
            checked={shown[name]}
            onChange={(event) => onChange({ ...shown, [name]: event.target.checked })}
          />
          <span className={`mark-swatch mark-${name}`} />
          {markTitles[name]}
          {shares && <span className="number muted">{formatShare(shares[name], 2)}</span>}
        </label>
      ))}
    </fieldset>
  );
}
