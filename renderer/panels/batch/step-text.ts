/** A step of a decision chain in words. */
import type { DecisionStep } from '../../../electron/contract/layer';

/** "40 >= 32 tokens: yes" */
export function stepText({ value, comparison, limit, unit, outcome }: DecisionStep): string {
  return `${plain(value)} ${comparison} ${plain(limit)} ${unit}: ${outcome ? 'yes' : 'no'}`;
}

/** A value of a step: whole numbers as they are, others with two decimals. */
export function plain(value: DecisionStep['value']): string {
  return typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(2) : String(value);
}
