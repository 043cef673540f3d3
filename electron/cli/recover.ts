/** `moescope recover`: makes a cut session readable and checks every tensor file of it. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readManifest } from '../engine/session/manifest';
import { recoverSession } from '../engine/session/recover';
import { ReplaySource } from '../engine/session/replay-source';
import { toolVersion } from '../hosts/built';
import { CliContext } from './context';
import { setExitCode } from './exit-code';
import { addOptions, jsonOption } from './options';

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('recover')
    .description(
      'rewrite a session whose recording did not end in order, and check its files. Exit 1 when something is lost',
    )
    .argument('<session>', 'folder that ends in .moesession');
  addOptions(command, jsonOption()).action(recover);
}

async function recover(path: string, _: object, command: Command): Promise<void> {
  const context = new CliContext(command);
  const session = resolve(path);
  const recovery = await recoverSession(session, await readManifest(session), `moescope ${toolVersion()}`);
  const source = await ReplaySource.open(session, () => context.binding());
  try {
    const damaged = await source.verifyBlobs();
    const { integrity, batches } = source.info();
    const lost = [...integrity.lost, ...damaged.filter((loss) => !integrity.lost.includes(loss))];
    if (lost.length > 0) setExitCode(command, 1);
    context.result({ session, recovered: recovery !== null, batches, events: recovery?.events ?? null, lost }, () =>
      [
        recovery
          ? `${session}: rewritten with ${recovery.events} complete events, ${batches} batches`
          : `${session}: finished in order, ${batches} batches`,
        ...(lost.length > 0
          ? lost.map((loss) => `lost: ${loss}`)
          : ['every tensor file has the bytes that were recorded']),
      ].join('\n'),
    );
  } finally {
    await source.dispose();
  }
}
