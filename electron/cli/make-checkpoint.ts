/** `moescope make-checkpoint`: a random NVFP4 checkpoint of a known model's shape. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { makeCheckpoint } from '../engine/checkpoint/make/make';
import type { ScaleKind } from '../engine/checkpoint/make/scales';
import { modelShapes } from '../engine/checkpoint/make/shapes';
import { toolVersion } from '../hosts/built';
import { CliContext } from './context';
import { addOptions, jsonOption, wholeNumber } from './options';
import { bytesText } from './text';

interface MakeOptions {
  shape: string;
  experts?: number;
  layers: number;
  scales: ScaleKind;
  seed: bigint;
  out: string;
  force: boolean;
}

function seedOf(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw new InvalidArgumentError('expected a whole number from 0 on');
  return BigInt(text);
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('make-checkpoint')
    .description('write a ModelOpt NVFP4 checkpoint with random weights: MoE layers only, no attention, no embeddings')
    .addOption(
      new Option('--shape <model>', 'shape of a model').choices(Object.keys(modelShapes)).makeOptionMandatory(),
    )
    .option('--experts <number>', "experts a layer; default: the model's", wholeNumber(1, 65536))
    .option('--layers <number>', 'MoE layers to write', wholeNumber(1, 1024), 1)
    .addOption(
      new Option('--scales <kind>', 'realistic: as on real models; power-of-two: contracts differ by rounding only')
        .choices(['realistic', 'power-of-two'])
        .default('realistic'),
    )
    .addOption(
      // The help prints a default as JSON, which knows no BigInt.
      new Option('--seed <number>', 'same seed, same bytes').argParser(seedOf).default(1n, '1'),
    )
    .requiredOption('--out <folder>', 'folder to write')
    .option('--force', 'replace a checkpoint that is there', false);
  addOptions(command, jsonOption()).action(make);
}

async function make(options: MakeOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  const started = Date.now();
  const made = await makeCheckpoint({ ...options, version: toolVersion() }, context.binding(), {
    signal: context.signal,
    onProgress: (done, total) => context.progress(`writing ${options.shape}`, done, total),
  });
  const seconds = (Date.now() - started) / 1000;
  context.result({ ...made, shape: options.shape, scales: options.scales, seed: String(options.seed), seconds }, () =>
    [
      `${made.path}`,
      `${options.shape}, ${made.layers} MoE layer(s) of ${made.experts} experts, ${options.scales} scales, seed ${options.seed}`,
      `${made.tensors} tensors in ${made.files} file(s), ${bytesText(made.bytes)}, ${seconds.toFixed(1)} s`,
    ].join('\n'),
  );
}
