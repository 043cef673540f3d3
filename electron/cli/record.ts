/** `moescope record`: runs batches and writes a session. */
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Contract } from '../contract/layer';
import type { WorkloadChange } from '../contract/session';
import { ruleSource } from '../engine/dispatch/rules';
import { Inspector } from '../engine/inspector';
import type { Merge } from '../engine/layer/load-layer';
import { NativeLoader } from '../engine/run/native-loader';
import { buildStats } from '../engine/run/statistics';
import { checkSessionFolder } from '../engine/session/session-folder';
import { toolVersion } from '../hosts/built';
import { CliContext } from './context';
import {
  addOptions,
  contractOption,
  jsonOption,
  layerOption,
  mergeOption,
  providerOption,
  rulesOption,
  thresholdOption,
  wholeNumber,
} from './options';
import { bytesText, number, table } from './text';

interface RecordOptions {
  batches: number;
  out: string;
  layer?: number;
  threshold?: number;
  contract: Contract;
  merge: Merge;
  provider: string;
  rules?: string;
  seed: number;
  tokens?: number[];
  maxTokens: number;
  skew: number;
  compareEvery: number;
  taps?: boolean;
  weights?: boolean;
  notes?: string;
}

function tokenList(text: string): number[] {
  const tokens = text.split(',').map(Number);
  if (tokens.length > 0 && tokens.every((count) => Number.isInteger(count) && count >= 1)) return tokens;
  throw new InvalidArgumentError('expected token counts such as 1,8,128');
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 3) return value;
  throw new InvalidArgumentError('expected a number from 0 to 3');
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('record')
    .description('run batches of a workload and write them as a session that can be replayed anywhere')
    .argument('<checkpoint>', 'checkpoint folder')
    .requiredOption('--out <folder>', 'session to write: a new folder whose name ends in .moesession')
    .addOption(new Option('--batches <number>', 'batches to run').argParser(wholeNumber(1)).default(64))
    .addOption(new Option('--seed <number>', 'seed of tokens, inputs and routing').argParser(wholeNumber(0)).default(1))
    .addOption(
      new Option('--tokens <list>', 'token counts to run in a circle; default: a prefill/decode mix').argParser(
        tokenList,
      ),
    )
    .addOption(new Option('--max-tokens <number>', 'largest prefill of the mix').argParser(wholeNumber(1)).default(256))
    .addOption(new Option('--skew <s>', 'Zipf exponent of expert popularity, 0 = even').argParser(share).default(0))
    .addOption(
      new Option('--compare-every <n>', 'run the other path too on every n-th batch; 0 = never')
        .argParser(wholeNumber(0))
        .default(1),
    )
    .option('--taps', 'record every stage of both paths and of the reference')
    .option('--weights', "record the layer's weights too, so that `replay --rerun` needs no checkpoint")
    .option('--notes <text>', 'a note kept with the session');
  addOptions(
    command,
    layerOption(),
    thresholdOption(),
    contractOption(),
    providerOption(),
    mergeOption(),
    rulesOption(),
    jsonOption(),
  ).action(record);
}

async function record(path: string, options: RecordOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  const binding = context.binding();
  let visible = 0;
  const inspector = new Inspector({
    binding,
    loader: new NativeLoader({ binding, rules: ruleSource(context.env), env: context.env }),
    tool: `moescope ${toolVersion()}`,
    events: {
      changed: () => undefined,
      row: (_, count) => {
        visible = count;
        context.progress('recording', count, options.batches);
      },
      sourceChanged: () => undefined,
      warning: (message) => context.warn(message),
      // A recording that cannot go on ends the command; without it the batches are of no use.
      failure: () => void inspector.pause(),
    },
  });
  const stop = () => void inspector.pause();
  context.signal.addEventListener('abort', stop, { once: true });
  try {
    await checkSessionFolder(resolve(options.out));
    await inspector.openCheckpoint(resolve(path), context.signal);
    const { rules, layer, threshold } = options;
    await inspector.loadLayer(
      {
        layer,
        contract: options.contract,
        merge: options.merge,
        provider: options.provider,
        rules,
        threshold,
        thresholdOrigin: threshold === undefined ? undefined : { kind: 'argument', where: '--threshold' },
      },
      context.task('loading the layer'),
      context.signal,
    );
    for (const warning of inspector.state().warnings) context.warn(warning);
    await inspector.setWorkload(workloadOf(options));
    await inspector.record(resolve(options.out), {
      taps: options.taps === true,
      weights: options.weights === true,
      ...(options.notes !== undefined && { notes: options.notes }),
    });
    await inspector.start();
    await inspector.finished();
    const { error, threshold: inForce } = inspector.state();
    const stats = buildStats(inspector.source().table, visible, 0);
    const session = await inspector.stopRecording();
    context.result({ session, threshold: inForce, stats, error }, () =>
      [
        `${session.name}: ${session.batches} batches, ${bytesText(session.eventBytes)} of events, ${session.blobs} blobs with ${bytesText(session.blobBytes)}`,
        `threshold ${inForce.tokens} (${inForce.origin.where}); times of ${session.device.provider} ${session.device.version} on ${session.device.name}`,
        table(
          ['kernel', 'batches', 'p50 us', 'p95 us', 'p99 us'],
          stats.byKernel.map(({ kernel, batches, p50, p95, p99 }) => [
            kernel,
            String(batches),
            number(p50),
            number(p95),
            number(p99),
          ]),
        ),
        ...(session.batches < options.batches
          ? [`ended after ${session.batches} of ${options.batches} batches${error ? `: ${error.message}` : ''}`]
          : []),
      ].join('\n'),
    );
  } finally {
    context.signal.removeEventListener('abort', stop);
    await inspector.close();
  }
}

function workloadOf({ batches, seed, tokens, maxTokens, skew, compareEvery }: RecordOptions): WorkloadChange {
  return {
    kind: tokens ? 'sequence' : 'mix',
    ...(tokens && { tokens }),
    batches,
    seed,
    maxTokens,
    skew,
    compareEvery,
    rate: 0,
  };
}
