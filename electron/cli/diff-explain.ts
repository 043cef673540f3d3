/** `moescope diff --explain`: one batch of two answers, stage by stage, with the causes of the difference and their shares. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Side } from '../contract/batch';
import { AppError } from '../contract/errors';
import type { Diagnosis } from '../contract/explanation';
import { type Contract, type ReferenceContract, referenceContracts } from '../contract/layer';
import { explainPair, type ObservedPair, type PairExplanation, type PairSide } from '../engine/analysis/explain-pair';
import { loadRules } from '../engine/dispatch/rules';
import { Wrapper } from '../engine/layer/wrapper';
import type { RunPath } from '../engine/run/source';
import { rerunPair, sessionPair } from '../engine/session/observed-pairs';
import { ReplaySource } from '../engine/session/replay-source';
import { openRecordedLayer } from '../engine/session/rerun';
import { readBatches } from './batch-input';
import type { CliContext } from './context';
import { openLayer } from './open-layer';
import { readOutput } from './output-file';
import { number, table } from './text';

export interface ExplainOptions {
  explain?: boolean;
  batch?: string;
  pathA?: Side;
  pathB?: Side;
  contractA?: Contract | ReferenceContract;
  contractB?: Contract | ReferenceContract;
  rerun?: boolean;
  checkpoint?: string;
  provider?: string;
  input?: string;
  layer?: number;
  contract: Contract;
  merge: 'max' | 'column-0';
  rtol: number;
  atol: number;
}

/** @param b absent with --rerun */
export async function explainCommand(
  context: CliContext,
  a: string,
  b: string | undefined,
  options: ExplainOptions,
): Promise<void> {
  const first = await isFile(a);
  if (b !== undefined && first !== (await isFile(b)))
    throw new AppError({
      code: 'usage',
      message: 'A and B must be of one kind.',
      expected: 'two sessions, or two output files of `moescope run --taps all`',
      found: `${a}, ${b}`,
    });
  const found =
    first && b !== undefined
      ? await explainFiles(context, a, b, options)
      : await explainSessions(context, a, b, options);
  context.result(found, () => text(found));
}

async function isFile(path: string): Promise<boolean> {
  const found = await stat(resolve(path)).catch(() => null);
  if (!found)
    throw new AppError({ code: 'file-not-found', message: `There is no file or folder ${path}.`, subject: path });
  return found.isFile();
}

async function explainSessions(
  context: CliContext,
  a: string,
  b: string | undefined,
  options: ExplainOptions,
): Promise<PairExplanation> {
  const given = (['contractA', 'contractB'] as const).find((option) => options[option] !== undefined);
  if (given)
    throw new AppError({
      code: 'bad-option',
      message: 'A session was recorded under one contract and knows it.',
      subject: given === 'contractA' ? '--contract-a' : '--contract-b',
      expected: 'no contract with sessions',
      found: String(options[given]),
    });
  const binding = context.binding();
  const source = await ReplaySource.open(resolve(a), () => binding);
  const closers: (() => Promise<void>)[] = [() => source.dispose()];
  try {
    const rules = loadRules(source.environment.rules, context.env);
    const { runtime, close } = await openRecordedLayer(source, {
      binding,
      rules,
      checkpoint: options.checkpoint,
      provider: options.provider,
      signal: context.signal,
      task: context.task('loading the layer'),
    });
    closers.unshift(close);
    const choice = { batch: batchNumber(options.batch), pathA: options.pathA, pathB: options.pathB };
    let pair: ObservedPair;
    if (b === undefined) pair = await rerunPair(source, runtime, choice);
    else {
      const other = await ReplaySource.open(resolve(b), () => binding);
      closers.unshift(() => other.dispose());
      pair = await sessionPair(source, other, runtime, choice);
    }
    return await explainPair(binding, pair, options, context.cancelFlag());
  } finally {
    for (const close of closers) await close();
  }
}

/** Batches of a session have numbers. */
function batchNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new AppError({
    code: 'bad-option',
    message: 'Batches of a session have numbers.',
    subject: '--batch',
    expected: 'a whole number',
    found: text,
  });
}

async function explainFiles(
  context: CliContext,
  a: string,
  b: string,
  options: ExplainOptions,
): Promise<PairExplanation> {
  const { checkpoint: folder, input } = options;
  if (folder === undefined || input === undefined)
    throw new AppError({
      code: 'usage',
      message: 'Output files hold neither the layer nor the input of their batch.',
      subject: '--explain',
      expected: '--checkpoint with the layer and --input with the batches that were run',
      found: folder === undefined ? 'no --checkpoint' : 'no --input',
    });
  const binding = context.binding();
  const left = await readOutput(binding, resolve(a), options.batch);
  const right = await readOutput(binding, resolve(b), left.batch);
  const { checkpoint, layer } = await openLayer(context, folder, {
    ...(options.layer !== undefined && { layer: options.layer }),
    merge: options.merge,
  });
  try {
    const batches = await readBatches(input, layer.plan.shape);
    const batch = batches.find(({ name }) => name === left.batch);
    if (!batch)
      throw new AppError({
        code: 'missing-tensor',
        message: `${input} holds no batch ${left.batch === '' ? 'x' : left.batch}.`,
        subject: input,
        found: batches.map(({ name }) => name || 'x').join(', '),
      });
    const { contract } = options;
    const rules = loadRules(undefined, context.env);
    const provider = binding.openProvider('cpu');
    const threshold = { tokens: 1, origin: { kind: 'argument' as const, where: '--explain' } };
    const wrapper = new Wrapper({ binding, provider, layer, contract, threshold, rules });
    const { a1, a2 } = layer.native.report();
    const pair: ObservedPair = {
      ...fileSides(options, { a: { file: a, ...left }, b: { file: b, ...right } }),
      batch,
      shape: layer.plan.shape,
      checkpoint: layer.native,
      activationScales: { a1, a2 },
      decide: (tokens, force) => wrapper.decide(tokens, force),
    };
    return await explainPair(binding, pair, options, context.cancelFlag());
  } finally {
    await checkpoint.close();
  }
}

interface FileAnswer {
  file: string;
  tensors: PairSide['tensors'];
}

/** What two output files are, by the options. @throws AppError `bad-option` where an option contradicts another or the file. */
function fileSides(options: ExplainOptions, files: { a: FileAnswer; b: FileAnswer }): { a: PairSide; b: PairSide } {
  const a = options.pathA ?? (referenceContract(options.contractA) ? 'reference' : 'b12x');
  const b = options.pathB ?? (referenceContract(options.contractB) ? 'reference' : 'cutlass');
  const known = [a, b].find((side): side is RunPath => side !== 'reference') ?? 'b12x';
  const made = (key: 'a' | 'b', side: Side, contract = options.contract as PairSide['contract']): PairSide => {
    const { file, tensors } = files[key];
    requireKind(key, file, side, contract, tensors);
    const path = side === 'reference' ? known : side;
    const as = side !== 'reference' ? side : referenceContract(contract) ? 'reference' : `reference as ${path}`;
    return { name: `${file}, ${as}, ${contract}`, side, path, tensors, contract };
  };
  return { a: made('a', a, options.contractA), b: made('b', b, options.contractB) };
}

function referenceContract(contract: PairSide['contract'] | undefined): boolean {
  return referenceContracts.some((known) => known === contract);
}

/** The reference alone answers its own contracts, and it alone writes F64. */
function requireKind(key: 'a' | 'b', file: string, side: Side, contract: string, tensors: PairSide['tensors']): void {
  const option = `--path-${key}`;
  if (side !== 'reference' && referenceContract(contract as PairSide['contract']))
    throw new AppError({
      code: 'bad-option',
      message: `Contract ${contract} is an answer of the reference; it has no path ${side}.`,
      subject: option,
      expected: 'reference',
      found: side,
    });
  const dtype = tensors.y?.info().dtype;
  if ((dtype === 'F64') === (side === 'reference')) return;
  throw new AppError({
    code: 'bad-option',
    message: `The output in ${file} is ${dtype}, and ${side === 'reference' ? 'the reference writes F64' : 'only the reference writes F64'}.`,
    subject: option,
    expected: side === 'reference' ? 'b12x or cutlass' : 'reference',
    found: side,
  });
}

/** One line a side: whether it follows its documented pipeline. */
function diagnosisText(side: string, diagnosis: Diagnosis | null): string[] {
  if (!diagnosis) return [];
  const { deviations, segments } = diagnosis;
  if (deviations.length === 0) {
    const left = segments.filter(({ mismatchAfter, floor }) => mismatchAfter > floor).map(({ stage }) => stage);
    return [
      left.length === 0
        ? `${side} follows its documented pipeline: no fault was named`
        : `${side} is not quite its documented pipeline (${left.join(', ')}), but too little differs to name a fault`,
    ];
  }
  return deviations.map(({ cause, site, stage, alternatives }) => {
    const alike = [...new Set(alternatives.map((other) => other.cause))];
    return `${side} deviates: ${cause} at FC${site + 1}, seen in ${stage}${alike.length > 0 ? `; as well explained by ${alike.join(', ')}` : ''}`;
  });
}

function text({ diagnosis, a, b, stages, first_diverging, causes, interaction, rest, total }: PairExplanation): string {
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  return [
    `A: ${a}`,
    `B: ${b}`,
    table(
      ['stage', 'max |a-b|', 'NRMSE', 'cosine', 'PCC', 'within', 'best scale', 'codes differ', 'SF differ'],
      stages.map(({ stage, comparison, reason }) =>
        comparison
          ? [
              stage,
              number(comparison.maxAbs),
              number(comparison.nrmse),
              number(comparison.cosine),
              number(comparison.pcc ?? Number.NaN),
              percent(comparison.withinTolerance),
              number(comparison.bestScale),
              comparison.codes ? String(comparison.codes.differingCodes) : '',
              comparison.codes ? String(comparison.codes.differingScales) : '',
            ]
          : [stage, reason, '', '', '', '', '', '', ''],
      ),
    ),
    `first diverging stage: ${first_diverging ?? 'none'}`,
    ...diagnosisText('A', diagnosis.a),
    ...diagnosisText('B', diagnosis.b),
    '',
    `squared error of the output ${number(total.energy)}, NRMSE ${number(total.nrmse)}`,
    table(
      ['cause', 'share', '95 % interval', 'NRMSE alone', ''],
      causes.map(({ name, share, interval, nrmseAlone, fault }) => [
        name,
        percent(share),
        `${percent(interval[0])} to ${percent(interval[1])}`,
        number(nrmseAlone),
        fault ? 'not of the documented pipeline' : '',
      ]),
    ),
    `interaction ${percent(interaction)}, rest ${percent(rest)}`,
  ].join('\n');
}
