/** Options that several commands share, with the same words everywhere. */
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { contracts, largestThreshold } from '../contract/layer';

/** A whole number in a range. */
export function wholeNumber(least: number, largest = 2 ** 31 - 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= largest) return value;
    throw new InvalidArgumentError(`expected a whole number from ${least} to ${largest}`);
  };
}

export const jsonOption = () => new Option('--json', 'print the result as JSON on stdout');
export const layerOption = () =>
  new Option('--layer <number>', 'layer; default: the first MoE layer').argParser(wholeNumber(0));
export const mergeOption = () =>
  new Option('--merge <rule>', 'when gate and up have different global scales')
    .choices(['max', 'column-0'])
    .default('max');
export const contractOption = () =>
  new Option('--contract <contract>', 'scale contract').choices([...contracts]).default('unit-alpha');
/** The providers that have a name of their own; cuda is a library too, which may not be built. */
export const ownProviders: readonly string[] = ['reference', 'cpu', 'cuda'];
/** Any other library is named by its path: without this, a bare file name would be looked for among the system's libraries. */
export const providerName = (text: string) => (ownProviders.includes(text) ? text : resolve(text));
export const providerOption = () =>
  new Option('--provider <provider>', 'cpu, reference, cuda, or the path of a provider library')
    .argParser(providerName)
    .default('cpu');
export const thresholdOption = (fallback?: number) => {
  const option = new Option('--threshold <tokens>', 'cutlass_prefill_threshold in tokens; 0 = pure b12x').argParser(
    wholeNumber(0, largestThreshold),
  );
  return fallback === undefined ? option : option.default(fallback);
};
export const rulesOption = () => new Option('--rules <id>', 'rule file of the dispatch ladder; see doctor');

export function addOptions(command: Command, ...options: Option[]): Command {
  for (const option of options) command.addOption(option);
  return command;
}
