/** `moescope diff`: two sessions, times with a verdict and values of equal batches; with --explain one batch and its causes. */
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { sides } from '../contract/batch';
import { AppError } from '../contract/errors';
import { contracts, referenceContracts } from '../contract/layer';
import { compareSessions, type SessionComparison } from '../engine/session/compare-sessions';
import { ReplaySource } from '../engine/session/replay-source';
import { CliContext } from './context';
import { type ExplainOptions, explainCommand } from './diff-explain';
import { setExitCode } from './exit-code';
import { addOptions, contractOption, jsonOption, layerOption, mergeOption } from './options';
import { number, table } from './text';

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('diff')
    .description(
      'compare two sessions. Exit 1 when B is slower beyond noise, or has other values for equal inputs on the same layer and provider',
    )
    .argument('<a>', 'session, the base; with --explain also an output file of `moescope run --taps all`')
    .argument('[b]', 'session or output file to compare with it; absent with --rerun')
    .option(
      '--explain',
      'one batch stage by stage, and the causes of its difference with their shares of the squared error',
    )
    .option('--rerun', 'with --explain: B is the batch of session A run again now')
    .option('--batch <batch>', 'with --explain: number in session A, or name in the output file')
    .option(
      '--checkpoint <folder>',
      'the layer; needed with output files, and for a session without weights that moved',
    )
    .option('--input <file>', 'with output files: the batches that were run')
    .option('--provider <provider>', 'for --rerun; default: the recorded one')
    .addOption(pathOption('a', 'b12x'))
    .addOption(pathOption('b', 'cutlass'))
    .addOption(sideContractOption('a'))
    .addOption(sideContractOption('b'))
    .addOption(new Option('--rtol <number>', 'tolerance of "within"').argParser(tolerance).default(0))
    .addOption(new Option('--atol <number>', 'tolerance of "within"').argParser(tolerance).default(0));
  addOptions(command, layerOption(), contractOption(), mergeOption(), jsonOption()).action(diff);
}

function pathOption(side: 'a' | 'b', file: string): Option {
  const words = `path of ${side.toUpperCase()}; reference: fp64 with the scales of the other side's path; default: the one the batch of A took, in output files ${file}`;
  return new Option(`--path-${side} <path>`, words).choices([...sides]);
}

function sideContractOption(side: 'a' | 'b'): Option {
  const words = `with output files: contract of ${side.toUpperCase()}; the last three are answers of the reference; default: --contract`;
  return new Option(`--contract-${side} <contract>`, words).choices([...contracts, ...referenceContracts]);
}

function tolerance(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('expected a number, zero or more');
}

async function diff(a: string, b: string | undefined, options: ExplainOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  if ((b === undefined) !== (options.rerun === true) || (options.rerun && !options.explain))
    throw new AppError({
      code: 'usage',
      message: 'diff compares A with B, or with --explain --rerun A with its own run.',
      expected: 'diff A B, diff A B --explain, or diff A --explain --rerun',
      found: b === undefined ? 'no B' : 'B and --rerun',
    });
  if (options.explain) return explainCommand(context, a, b, options);
  return compare(context, a, b as string, command);
}

async function compare(context: CliContext, a: string, b: string, command: Command): Promise<void> {
  const first = await ReplaySource.open(resolve(a), () => context.binding());
  try {
    const second = await ReplaySource.open(resolve(b), () => context.binding());
    try {
      const comparison = await compareSessions(first, second, () => context.binding());
      for (const warning of comparison.warnings) context.warn(warning);
      if (failed(comparison)) setExitCode(command, 1);
      context.result({ a: first.info(), b: second.info(), ...comparison }, () => text(comparison));
    } finally {
      await second.dispose();
    }
  } finally {
    await first.dispose();
  }
}

function failed({ samePlace, sameLayer, times, values }: SessionComparison): boolean {
  if (!samePlace) return false;
  return times.some(({ verdict }) => verdict === 'worse') || (sameLayer && values.first !== null);
}

function text({ times, values, samePlace }: SessionComparison): string {
  const verdict = (word: string) => (samePlace ? word : `${word} (different provenance)`);
  const lines = [
    table(
      ['kernel', 'pairs', 'A us', 'B us', 'B/A', '95 % interval', 'verdict'],
      times.map((row) => [
        row.kernel,
        String(row.pairs),
        number(row.medianA),
        number(row.medianB),
        row.ratio === null ? '' : number(row.ratio),
        row.interval ? `${number(row.interval[0])} to ${number(row.interval[1])}` : '',
        verdict(row.verdict),
      ]),
    ),
    `values: ${values.identical} of ${values.answers} answers identical over ${values.equalInputs} batches with equal inputs, decision chains of ${values.equalDecisions} equal`,
  ];
  if (values.first)
    lines.push(
      `first difference: batch ${values.first.batchA} of A against ${values.first.batchB} of B, ${values.first.path}`,
    );
  if (values.worst)
    lines.push(
      `largest difference: batch ${values.worst.batchA}, ${values.worst.path}: NRMSE ${number(values.worst.nrmse)}, max abs ${number(values.worst.maxAbs)}`,
    );
  return lines.join('\n');
}
