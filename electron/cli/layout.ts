/** `moescope layout`: in which order a raw block-scale tensor is stored, by what explains the weights or a reference. */
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AppError } from '../contract/errors';
import type { LayoutSearch } from '../contract/layouts';
import { layoutQuestion, OpenFiles } from '../engine/analysis/layout-file';
import { searchLayouts } from '../engine/analysis/layouts';
import { CliContext } from './context';
import { setExitCode } from './exit-code';
import { addOptions, jsonOption, wholeNumber } from './options';
import { number, percent, table } from './text';

interface LayoutOptions {
  tensor: string;
  weights?: string;
  weightsFile?: string;
  shape?: [number, number, number];
  gated?: true;
  reference?: string;
  referenceWeights?: string;
  referenceInput?: string;
  referenceOutput?: string;
  expert: number;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('layout')
    .description(
      'rank the orders in which a raw block-scale tensor may be stored: linear, 128x4, 8x4, 6D MMA, transposed, halves swapped, nibbles. Exit 1 when the data cannot decide',
    )
    .argument('<file>', 'safetensors file with the scales')
    .requiredOption('--tensor <name>', 'the block scales (F8_E4M3 or U8, any shape)')
    .option('--weights <name>', 'packed FP4 weights [E, N, K/2]; default: the name without "_scale"')
    .option('--weights-file <file>', 'safetensors file with the weights; default: the same file')
    .addOption(
      new Option('--shape <E,N,C>', 'logical experts, rows and columns (K/16); default: from the weights').argParser(
        shapeArgument,
      ),
    )
    .option('--gated', 'rows are the halves [up, gate] of FC1: try them swapped')
    .option('--reference <file>', 'safetensors file with weights before quantization, or an input and output')
    .option('--reference-weights <name>', 'float weights [E, N, K] in it; default: its only float tensor')
    .option('--reference-input <name>', 'input [T, K] of this projection for one expert')
    .option('--reference-output <name>', 'its output [T, N]')
    .addOption(new Option('--expert <number>', 'expert of the output').argParser(wholeNumber(0)).default(0));
  addOptions(command, jsonOption()).action(layout);
}

function shapeArgument(text: string): [number, number, number] {
  const sizes = text.split(',').map(Number);
  if (sizes.length === 3 && sizes.every((size) => Number.isSafeInteger(size) && size > 0))
    return sizes as [number, number, number];
  throw new InvalidArgumentError('expected three whole numbers, experts,rows,columns');
}

function referenceOf(options: LayoutOptions) {
  const { reference, referenceWeights, referenceInput, referenceOutput, expert } = options;
  if ((referenceInput === undefined) !== (referenceOutput === undefined))
    throw new AppError({
      code: 'usage',
      message: 'An input and an output are a reference only together.',
      subject: referenceInput === undefined ? '--reference-input' : '--reference-output',
      remedy: 'Give both, or --reference-weights.',
    });
  const named = referenceWeights ?? referenceInput;
  if (reference === undefined) {
    if (named === undefined) return null;
    throw new AppError({
      code: 'usage',
      message: `The file that holds ${named} is not named.`,
      subject: '--reference',
      remedy: 'Give --reference FILE.',
    });
  }
  return {
    file: resolve(reference),
    weights: referenceWeights ?? null,
    x: referenceInput ?? null,
    y: referenceOutput ?? null,
    expert,
  };
}

async function layout(path: string, options: LayoutOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  const reference = referenceOf(options);
  const binding = context.binding();
  const files = new OpenFiles(binding);
  try {
    const question = await layoutQuestion(files, {
      file: resolve(path),
      tensor: options.tensor,
      weights: options.weights ?? null,
      weightsFile: options.weightsFile === undefined ? null : resolve(options.weightsFile),
      shape: options.shape ?? null,
      gated: options.gated === true,
      reference,
    });
    const found = await searchLayouts(binding, options.tensor, question, context.task('trying every layout'));
    if (found.verdict === 'undecided') setExitCode(command, 1);
    context.result(found, () => text(found));
  } finally {
    files.close();
  }
}

function text(found: LayoutSearch): string {
  const shown = (value: number | null, digits = 3) => (value === null ? '' : value.toFixed(digits));
  const reference = found.evidence.startsWith('reference');
  const lines = [
    `${found.tensor}: ${found.planes} x ${found.rows} x ${found.columns} block scales in ${found.bytes} bytes; evidence: ${found.evidence}`,
    `${found.verdict}, confidence ${percent(found.confidence)}. ${found.summary}`,
    '',
    table(
      ['', 'layout', 'probability', 'nats behind', ...(reference ? ['error'] : ['coupling', 'between rows']), ''],
      found.candidates.map((candidate, place) => [
        String(place + 1),
        candidate.name,
        candidate.possible ? percent(candidate.probability) : '',
        candidate.behind === null ? '' : number(candidate.behind),
        ...(reference ? [shown(candidate.nrmse)] : [shown(candidate.coupling), shown(candidate.rowShare)]),
        note(candidate),
      ]),
    ),
  ];
  for (const { question, why, needs } of found.undecided)
    lines.push('', `not decided: ${question}. ${why} Needs ${needs}.`);
  return lines.join('\n');
}

function note({ possible, bytes, sameAs }: LayoutSearch['candidates'][number]): string {
  if (!possible) return `would take ${bytes} bytes`;
  return sameAs === null ? '' : `the same bytes as ${sameAs + 1}`;
}
