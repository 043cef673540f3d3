/** `moescope replay`: what a session holds; with --rerun its inputs again, compared bit for bit. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { BatchRow } from '../contract/batch';
import { decidingSteps } from '../contract/deciding-steps';
import type { Decision } from '../contract/layer';
import { loadRules } from '../engine/dispatch/rules';
import { ReplaySource } from '../engine/session/replay-source';
import { type RerunReport, rerunSession } from '../engine/session/rerun';
import { describeStep, tableHead, tableRow } from '../hosts/batch-table';
import { CliContext } from './context';
import { setExitCode } from './exit-code';
import { addOptions, jsonOption, providerName, wholeNumber } from './options';
import { bytesText } from './text';

interface ReplayOptions {
  rerun?: boolean;
  checkpoint?: string;
  provider?: string;
  rows: number;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('replay')
    .description(
      'show a recorded session; needs neither checkpoint nor device. With --rerun: exit 1 when a bit differs',
    )
    .argument('<session>', 'folder that ends in .moesession')
    .option('--rerun', 'run the recorded inputs again and compare every recorded tensor bit for bit')
    .option('--checkpoint <folder>', 'checkpoint for --rerun; default: recorded weights, else the recorded path')
    .addOption(
      new Option('--provider <provider>', 'provider for --rerun; default: the recorded one').argParser(providerName),
    )
    .addOption(new Option('--rows <number>', 'batches to print').argParser(wholeNumber(0)).default(20));
  addOptions(command, jsonOption()).action(replay);
}

/** Losses printed one by one; a damaged disk can make thousands. */
const lossesShown = 10;

function ruleOf(decision: Decision): string {
  const step = decidingSteps(decision).kernel;
  return step ? describeStep(step) : '';
}

async function replay(path: string, options: ReplayOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  const source = await ReplaySource.open(resolve(path), () => context.binding());
  try {
    const session = source.info();
    const { lost } = session.integrity;
    for (const loss of lost.slice(0, lossesShown)) context.warn(`lost: ${loss}`);
    if (lost.length > lossesShown) context.warn(`lost: ${lost.length - lossesShown} more; see moescope recover`);
    const shown = source.table.rows(0, options.rows, source.table.length).rows;
    const rows: { row: BatchRow; decision: Decision }[] = [];
    for (const row of shown) rows.push({ row, decision: await source.decision(row.index) });
    const rerun = options.rerun ? await runAgain(context, source, options) : null;
    if (rerun && (rerun.first || rerun.unavailable.length > 0)) setExitCode(command, 1);
    const data = rows.map(({ row, decision }) => ({ ...row, rule: ruleOf(decision) }));
    context.result(
      { session, provenance: source.environment.provenance, contract: source.contract, rows: data, rerun },
      () =>
        [
          `${session.name}: ${session.batches} batches of layer ${source.environment.layer.index} (${source.contract}), ${bytesText(session.blobBytes)} of tensors, ${session.integrity.message}`,
          source.provenance(),
          tableHead(),
          ...rows.map(({ row, decision }) => tableRow(row, decision)),
          ...(rerun ? [rerunText(rerun)] : []),
        ].join('\n'),
    );
  } finally {
    await source.dispose();
  }
}

async function runAgain(context: CliContext, source: ReplaySource, options: ReplayOptions): Promise<RerunReport> {
  const rules = loadRules(source.environment.rules, context.env);
  const report = await rerunSession(source, {
    binding: context.binding(),
    rules,
    checkpoint: options.checkpoint,
    provider: options.provider,
    signal: context.signal,
    task: context.task('loading the layer'),
    onBatch: (done, total) => context.progress('running again', done, total),
  });
  for (const warning of [...rules.warnings, ...report.warnings]) context.warn(warning);
  return report;
}

function rerunText({ answers, identical, first, unavailable, layer }: RerunReport): string {
  const lines = [`run again with the layer from ${layer}: ${identical} of ${answers} answers identical`];
  if (first) {
    const place = `batch ${first.batch}, ${first.path}, tensor ${first.tensor}, element ${first.element} (row ${first.row}, column ${first.column})`;
    lines.push(`first difference: ${place}: recorded ${first.recorded}, now ${first.now}`);
  }
  for (const reason of unavailable) lines.push(`not compared: ${reason}`);
  return lines.join('\n');
}
