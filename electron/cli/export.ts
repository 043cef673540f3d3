/** `moescope export`: a session as one file to send, or its batches as a table. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { AppError } from '../contract/errors';
import { exportCsv, exportZip } from '../engine/session/export';
import { ReplaySource } from '../engine/session/replay-source';
import { CliContext } from './context';
import { addOptions, jsonOption } from './options';

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('export')
    .description('write a session as one zip, or its batches as CSV')
    .argument('<session>', 'folder that ends in .moesession')
    .requiredOption('--out <file>', 'name.zip (everything) or name.csv (one line a batch)');
  addOptions(command, jsonOption()).action(exportSession);
}

async function exportSession(path: string, options: { out: string }, command: Command): Promise<void> {
  const context = new CliContext(command);
  const session = resolve(path);
  const out = resolve(options.out);
  const kind = /\.(zip|csv)$/.exec(out)?.[1];
  if (kind === undefined)
    throw new AppError({
      code: 'bad-option',
      message: 'The ending of --out says what to write.',
      subject: '--out',
      expected: 'name.zip or name.csv',
      found: options.out,
    });
  // Opening recovers a cut recording first, so that nobody is sent one that other readers refuse.
  const source = await ReplaySource.open(session, () => context.binding());
  try {
    const batches = source.table.length;
    if (kind === 'csv') await exportCsv(source.table, out);
    else await exportZip(session, out, (done, total) => context.progress('packing', done, total));
    context.result({ session, out, batches }, () => `${out}: ${batches} batches`);
  } finally {
    await source.dispose();
  }
}
