/** `moescope prepare`: the prepared layer under its published names, for people who test their own kernels. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { AppError } from '../contract/errors';
import type { Contract } from '../contract/layer';
import { fileError } from '../engine/checkpoint/file-errors';
import { hybridPossible, type Merge, summarizeLayer } from '../engine/layer/load-layer';
import { resolveThreshold } from '../engine/layer/threshold';
import { CliContext } from './context';
import { openLayer } from './open-layer';
import { addOptions, contractOption, jsonOption, layerOption, mergeOption, thresholdOption } from './options';
import { checkOutput } from './tensor-output';
import { bytesText, number, table } from './text';

interface PrepareOptions {
  layer?: number;
  threshold?: number;
  contract: Contract;
  merge: Merge;
  rearrange?: string;
  out: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('prepare')
    .description('write the prepared layer as safetensors, under the published parameter names')
    .argument('<checkpoint>', 'checkpoint folder')
    .requiredOption('--out <file>', 'safetensors file to write')
    .addOption(
      new Option(
        '--rearrange <permutation>',
        'EPLB: row p of every parameter := old row permutation[p]; "2,0,1,..." or a JSON file with the list',
      ),
    );
  addOptions(command, layerOption(), thresholdOption(), contractOption(), mergeOption(), jsonOption()).action(prepare);
}

async function prepare(path: string, options: PrepareOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  const permutation = options.rearrange === undefined ? null : await readPermutation(options.rearrange);
  const argument = options.threshold === undefined ? undefined : { tokens: options.threshold, where: '--threshold' };
  const { threshold, warnings } = resolveThreshold({ ...(argument && { argument }), env: context.env });
  for (const warning of warnings) context.warn(warning);
  const { checkpoint, layer } = await openLayer(context, path, options, ({ catalog }) =>
    checkOutput(
      options.out,
      catalog.files.map((file) => file.path),
    ),
  );
  try {
    if (threshold.tokens > 0 && !hybridPossible(layer).possible) {
      throw new AppError({
        code: 'unsupported',
        message: `No CUTLASS parameters can be made. ${hybridPossible(layer).reason}`,
        subject: layer.plan.prefix,
        found: `threshold ${threshold.tokens} (${threshold.origin.where})`,
        remedy: 'Use threshold 0.',
      });
    }
    let prepared = await context
      .binding()
      .prepareLayer(
        layer.native,
        { contract: options.contract, threshold: threshold.tokens },
        context.task('preparing'),
      );
    if (permutation) prepared = await prepared.rearrange(permutation);
    await prepared.writeSafetensors(options.out, context.task('writing')).catch((thrown) => {
      throw fileError(thrown, options.out);
    });
    const tensors = prepared.tensors().map((tensor) => tensor.info());
    const summary = summarizeLayer(layer, prepared);
    context.result(
      {
        ...summary,
        threshold,
        merge: options.merge,
        rearranged: permutation ? [...permutation] : null,
        out: options.out,
        tensors,
      },
      () =>
        [
          `${options.out}: layer ${summary.index}, contract ${summary.contract}, threshold ${threshold.tokens} (${threshold.origin.where})`,
          `a1 ${summary.a1 === null ? 'absent' : number(summary.a1)}, a2 ${summary.a2 === null ? 'absent' : number(summary.a2)}, weight_scale_2 ${number(summary.s2Min)} .. ${number(summary.s2Max)}`,
          table(
            ['parameter', 'dtype', 'shape', 'layout', 'bytes'],
            tensors.map(({ name, dtype, shape, layout, bytes }) => [
              name,
              dtype,
              `[${shape.join(', ')}]`,
              layout,
              bytesText(bytes),
            ]),
          ),
          `FP4 ${bytesText(summary.bytes.fp4)} (shared by both paths), b12x scales ${bytesText(summary.bytes.b12xScales)}, CUTLASS scales ${bytesText(summary.bytes.cutlassScales)}, multipliers ${bytesText(summary.bytes.multipliers)}`,
        ].join('\n'),
    );
  } finally {
    await checkpoint.close();
  }
}

/** @throws AppError `bad-permutation` for what is no list of whole numbers; the addon checks that each expert is there once. */
async function readPermutation(given: string): Promise<Int32Array> {
  let list: unknown;
  if (/^[\d,\s]+$/.test(given)) list = given.split(',').map(Number);
  else {
    try {
      list = JSON.parse(await readFile(given, 'utf8'));
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError)) throw fileError(thrown, given);
    }
  }
  if (Array.isArray(list) && list.every((item) => Number.isSafeInteger(item) && item >= 0 && item < 2 ** 31))
    return Int32Array.from(list);
  throw new AppError({
    code: 'bad-permutation',
    message: `${given} is no permutation of the experts.`,
    subject: '--rearrange',
    expected: 'each expert number once: "2,0,1,3" or a JSON list in a file',
    found: given.slice(0, 80),
  });
}
