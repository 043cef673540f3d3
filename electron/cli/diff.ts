/** `moescope diff`: two sessions, times with a verdict and values of equal batches. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { compareSessions, type SessionComparison } from '../engine/session/compare-sessions';
import { ReplaySource } from '../engine/session/replay-source';
import { CliContext } from './context';
import { setExitCode } from './exit-code';
import { addOptions, jsonOption } from './options';
import { number, table } from './text';

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('diff')
    .description(
      'compare two sessions. Exit 1 when B is slower beyond noise, or has other values for equal inputs on the same layer and provider',
    )
    .argument('<a>', 'session, the base')
    .argument('<b>', 'session to compare with it');
  addOptions(command, jsonOption()).action(diff);
}

async function diff(a: string, b: string, _: object, command: Command): Promise<void> {
  const context = new CliContext(command);
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
    `values: ${values.identical} of ${values.answers} answers identical over ${values.equalInputs} batches with equal inputs`,
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
