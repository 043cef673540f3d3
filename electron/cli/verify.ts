/** `moescope verify`: the five items of the published test plan on one layer, with what was measured. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import { AppError } from '../contract/errors';
import type { Contract } from '../contract/layer';
import { type ParityRow, type VerifyItem, type VerifyReport, verify } from '../engine/analysis/verify';
import type { Answers } from '../engine/analysis/verify-answers';
import type { IdealDistance } from '../engine/analysis/verify-ideal';
import { loadRules } from '../engine/dispatch/rules';
import type { Merge } from '../engine/layer/load-layer';
import { readRouter } from '../engine/layer/router';
import { resolveThreshold } from '../engine/layer/threshold';
import type { NativeBinding, Provider } from '../engine/native/binding';
import { loadAddon } from '../engine/native/load';
import { CliContext } from './context';
import { setExitCode } from './exit-code';
import { openLayer } from './open-layer';
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
import { number, percent, table } from './text';

interface VerifyOptions {
  layer?: number;
  threshold: number;
  contract: Contract;
  provider: string;
  merge: Merge;
  rules?: string;
  seed: number;
  olderProvider?: string;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('verify')
    .description(
      'the five items of the published test plan (vLLM #43687) and b12x / CUTLASS parity; exit code 1 when one fails',
    )
    .argument('<checkpoint>', 'checkpoint folder')
    .addOption(new Option('--seed <number>', 'seed of inputs and permutation').argParser(wholeNumber(0)).default(1))
    .addOption(
      new Option(
        '--older-provider <library>',
        'provider without cutlass_prefill_threshold for items 3 and 4; default: the built one',
      ),
    );
  addOptions(
    command,
    layerOption(),
    thresholdOption(128),
    contractOption(),
    providerOption(),
    mergeOption(),
    rulesOption(),
    jsonOption(),
  ).action(run);
}

async function run(path: string, options: VerifyOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  const binding = context.binding();
  const provider = binding.openProvider(options.provider);
  const rules = loadRules(options.rules, context.env);
  const { threshold } = resolveThreshold({ argument: { tokens: options.threshold, where: '--threshold' } });
  const { checkpoint, layer } = await openLayer(context, path, options);
  try {
    const report = await verify({
      binding,
      provider,
      older: olderBuild(binding, options.olderProvider),
      layer,
      router: await readRouter(checkpoint, layer.plan.index, binding),
      contract: options.contract,
      threshold,
      rules,
      seed: options.seed,
      cancel: context.cancelFlag(),
      onProgress: (label, done, total) => context.progress(label, done, total),
    });
    const about = {
      checkpoint: checkpoint.summary.path,
      layer: layer.plan.index,
      shape: layer.plan.shape,
      quantization: layer.plan.quantization,
      contract: options.contract,
      threshold,
      provider: { name: provider.name, version: provider.version, device: provider.probe().name },
      seed: options.seed,
      notes: layer.notes,
    };
    const failed = [...report.items, report.answers].some((found) => found?.status === 'fail');
    context.result({ ...about, pass: !failed, ...report }, () => asText(about, report));
    if (failed) setExitCode(command, 1);
  } finally {
    await checkpoint.close();
  }
}

/** The library that stands for an older FlashInfer: a provider without the threshold capability, beside the addon. */
function olderBuild(binding: NativeBinding, given: string | undefined): { provider: Provider | null; reason: string } {
  const path = given ?? join(dirname(loadAddon().path), 'providers', 'libmoescope_older_build.so');
  if (given === undefined && !existsSync(path)) {
    return {
      provider: null,
      reason: `There is no provider without cutlass_prefill_threshold to try: ${path} does not exist.`,
    };
  }
  const provider = binding.openProvider(path);
  if (!provider.capabilities().cutlassPrefillThreshold) return { provider, reason: '' };
  throw new AppError({
    code: 'bad-option',
    message: `${path} has cutlass_prefill_threshold; items 3 and 4 need a provider without it.`,
    subject: '--older-provider',
    expected: 'a provider that says 0 for cutlass_prefill_threshold',
    found: `${provider.name} ${provider.version}`,
  });
}

interface About {
  checkpoint: string;
  layer: number;
  contract: string;
  threshold: { tokens: number };
  provider: { name: string; version: string; device: string };
}

function asText(
  { checkpoint, layer, contract, threshold, provider }: About,
  { items, parity, answers, ideal, remarks }: VerifyReport,
): string {
  const counts = (['pass', 'fail', 'skip'] as const).map(
    (status) => `${[...items, answers].filter((found) => found?.status === status).length} ${status}`,
  );
  return [
    `${checkpoint} layer ${layer}, contract ${contract}, threshold ${threshold.tokens}, provider ${provider.name} ${provider.version} on ${provider.device}`,
    '',
    ...items.flatMap(itemText),
    '',
    'Parity of b12x and CUTLASS on the same batch (path: what the threshold decides)',
    table(['tokens', 'path', 'kernel', 'NRMSE', 'cosine'], parity.map(parityRow)),
    ...(answers ? answersText(answers) : []),
    ...(ideal ? [idealText(ideal)] : []),
    ...remarks,
    '',
    counts.join(', '),
  ].join('\n');
}

function itemText({ id, name, status, reason, measured, causes }: VerifyItem): string[] {
  const lines = [`${status.toUpperCase()}  ${id}. ${name}`, `      ${reason}`];
  const gate = measured.fixedGate as { nrmse: number; cosine: number; pass: boolean } | undefined;
  if (gate) {
    lines.push(
      `      cosine ${number(measured.cosine as number)}; FlashInfer's fixed gate (NRMSE < ${gate.nrmse}, cosine > ${gate.cosine}): ${gate.pass ? 'inside' : 'outside'}`,
    );
  }
  for (const cause of causes ?? []) lines.push(`      NRMSE ${number(cause.nrmse)} alone: ${cause.name} (${cause.id})`);
  const leftOut = measured.leftOut as { parameter: string; detectedBy: string; paths: string[] }[] | undefined;
  for (const { parameter, detectedBy, paths } of leftOut ?? []) {
    lines.push(
      `      left out ${parameter}: ${detectedBy === 'output' ? `${paths.join(' and ')} output changes` : leftOutWords[detectedBy]}`,
    );
  }
  return lines;
}

const leftOutWords: Readonly<Record<string, string>> = {
  rows: 'its rows are not where they belong',
  uniform: 'the same for all experts, so nothing can change',
  nothing: 'NOT NOTICED',
};

function answersText({ status, reason, rows }: Answers): string[] {
  const cells = rows.map(({ tokens, path, kernel, nrmse, cosine }) =>
    parityRow({ tokens, path, kernel, nrmse, cosine }),
  );
  return [
    '',
    `${status.toUpperCase()}  the same answers as the cpu provider, path by path`,
    `      ${reason}`,
    ...(rows.length > 0 ? [table(['tokens', 'path', 'kernel', 'NRMSE', 'cosine'], cells)] : []),
  ];
}

function idealText({
  tokens,
  nrmse,
  cosine,
  rows,
  flippedRows,
  shareOfError,
  nrmseWithoutFlips,
}: IdealDistance): string {
  return [
    '',
    `CUTLASS path against \`ideal\` (fp64, the checkpoint's own scales), ${tokens} tokens: NRMSE ${number(nrmse)}, cosine ${cosine.toFixed(6)}`,
    `      rounding to bf16 between the stages flips FP4 codes of FC2's input in ${flippedRows} of ${rows} rows; they hold ${percent(shareOfError)} of FC2's squared error, the other rows have NRMSE ${number(nrmseWithoutFlips)}`,
  ].join('\n');
}

function parityRow({ tokens, path, kernel, nrmse, cosine }: ParityRow): string[] {
  return [
    String(tokens),
    path,
    kernel,
    nrmse === null ? '-' : nrmse.toFixed(5),
    cosine === null ? '-' : cosine.toFixed(6),
  ];
}
