/** Measured numbers of a finding as a person reads them. */
import type { Finding } from '../../../electron/contract/hazards';
import { formatCount, formatValue } from '../../format/numbers';

/** What the numbers are called; a name that is not here is shown as it is written in the JSON. */
const names: Readonly<Record<string, string>> = {
  liveScales: 'scales of live blocks',
  subnormal: 'subnormal',
  subnormalShare: 'subnormal, share',
  zero: 'zero',
  zeroShare: 'zero, share',
  meanRelativeError: 'mean error of a scale',
  worstRelativeError: 'worst error of a scale',
  beyondRounding: 'off by more than 1/16',
  weightRelL2: 'weights, rel-L2',
  worstExpert: 'worst expert',
  worstExpertMean: 'its mean error',
  worstExpertZeroShare: 'its zero share',
  amaxMin: 'calibrated amax, least',
  amaxMax: 'calibrated amax, most',
  zeroBelow: 'zero block up to',
  subnormalBelow: 'subnormal below',
  saturatesAbove: 'saturates above',
  maxTokens: 'reached up to',
  factorFc1: 'factor on FC1',
  factorFc2: 'factor on FC2',
  differing: 'experts with two scales',
  rescaledBlockScales: 'block scales rounded again',
  largestRatio: 'largest ratio of the two',
  multiplierOverDivider: 'multiplier over divider',
  bitsOfRange: 'range lost',
};
const units: Readonly<Record<string, string>> = { maxTokens: 'tokens', bitsOfRange: 'bits' };

const isShare = (name: string) => /Share$|Error$|Mean$|RelL2$|^beyond|^explained|^fits/.test(name);

function valueText(name: string, value: number | string, digits = 4): string {
  if (typeof value === 'string') return value;
  if (isShare(name)) return `${formatValue(value * 100, digits)} %`;
  const text = Number.isInteger(value) ? formatCount(value) : formatValue(value, digits);
  return units[name] ? `${text} ${units[name]}` : text;
}

export const measuredRows = (measured: Finding['measured']): [string, string][] =>
  Object.entries(measured).map(([name, value]) => [names[name] ?? name, valueText(name, value)]);

/** Numbers that say most, in this order, with the words a table row has room for. */
const telling: readonly (readonly [string, string])[] = [
  ['subnormalShare', 'subnormal'],
  ['zeroShare', 'zero'],
  ['lostShare', 'lost'],
  ['saturatedShare', 'at 448'],
  ['meanRelativeError', 'mean error'],
  ['largestRatio', 'largest ratio'],
  ['gs', 'gs'],
  ['gs1', 'gs FC1'],
  ['gs2', 'gs FC2'],
  ['amaxMin', 'least amax'],
  ['ratio', 'of the expected value'],
  ['fitsSwapped', 'fit exchanged'],
  ['explainedTiles', 'explained as tiles'],
];

/** Up to three numbers for a table row: "43.2 % subnormal, 3.58 % mean error". */
export function shortMeasured({ measured }: Finding): string {
  // A share of 0 says less than the next number.
  const known = telling.filter(([name]) => measured[name] !== undefined && measured[name] !== 0).slice(0, 3);
  const shown = known.length > 0 ? known : measuredNames(measured);
  return shown.map(([name, word]) => `${valueText(name, measured[name]!, 3)} ${word}`).join(', ');
}

const measuredNames = (measured: Finding['measured']): [string, string][] =>
  Object.keys(measured)
    .slice(0, 2)
    .map((name) => [name, names[name] ?? name]);

/** "0-3, 7" of experts in any order. */
export function expertsText(experts: readonly number[]): string {
  const sorted = [...experts].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let first = 0; first < sorted.length; ) {
    let last = first;
    while (sorted[last + 1] === sorted[last]! + 1) last++;
    parts.push(first === last ? `${sorted[first]}` : `${sorted[first]}-${sorted[last]}`);
    first = last + 1;
  }
  return parts.join(', ');
}
