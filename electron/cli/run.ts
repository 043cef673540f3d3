/** `moescope run`: given batches through one layer, with the decision chain of each. */
import { type Command, Option } from 'commander';
import { AppError } from '../contract/errors';
import { type Contract, contracts, type Decision, type ReferenceContract, referenceContracts } from '../contract/layer';
import type { DeviceMemory } from '../contract/session';
import { type DispatchRules, loadRules } from '../engine/dispatch/rules';
import type { LoadedLayer, Merge } from '../engine/layer/load-layer';
import { runOnReference } from '../engine/layer/reference';
import { resolveThreshold } from '../engine/layer/threshold';
import { Wrapper } from '../engine/layer/wrapper';
import type { NativeTensor, Provider, RunResult } from '../engine/native/binding';
import { totalMicroseconds } from '../engine/run/runtime';
import { type NamedBatch, notFinite, readBatches } from './batch-input';
import { CliContext } from './context';
import { openLayer } from './open-layer';
import {
  addOptions,
  jsonOption,
  layerOption,
  mergeOption,
  providerOption,
  rulesOption,
  thresholdOption,
} from './options';
import { checkOutput, writeTensors } from './tensor-output';
import { bytesText, number, table } from './text';

const tapNames = ['x_q', 'x_sf', 'fc1', 'act', 'act_q', 'act_sf', 'fc2'];

interface RunOptions {
  input: string;
  out: string;
  layer?: number;
  threshold?: number;
  path: 'auto' | 'b12x' | 'cutlass';
  provider: string;
  contract: Contract | ReferenceContract;
  merge: Merge;
  rules?: string;
  taps?: string[];
}

function tapList(text: string): string[] {
  if (text === 'all') return tapNames;
  const taps = text.split(',').map((tap) => tap.trim());
  const unknown = taps.find((tap) => !tapNames.includes(tap));
  if (unknown !== undefined)
    throw new AppError({
      code: 'bad-option',
      message: unknown === '' ? 'A tap has no name.' : `There is no tap ${unknown}.`,
      subject: '--taps',
      expected: `all, or a list of ${tapNames.join(', ')}`,
      found: unknown,
    });
  return taps;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('run')
    .description('run given batches through one layer; prints each decision chain')
    .argument('<checkpoint>', 'checkpoint folder')
    .requiredOption(
      '--input <file>',
      'safetensors: x BF16 [T, H], topk_ids I32 [T, k], topk_weights F32 [T, k]; several batches as NAME.x, ...',
    )
    .requiredOption('--out <file>', 'safetensors to write: y (BF16; F64 from the reference) and the taps')
    .addOption(
      new Option('--path <path>', 'auto: the threshold decides').choices(['auto', 'b12x', 'cutlass']).default('auto'),
    )
    .addOption(
      new Option(
        '--contract <contract>',
        'scale contract; the last three are answers of the reference from the checkpoint itself',
      )
        .choices([...contracts, ...referenceContracts])
        .default('unit-alpha'),
    )
    .addOption(
      new Option('--taps <stages>', 'also write the stages: all, or a list such as fc1,act').argParser(tapList),
    );
  addOptions(
    command,
    layerOption(),
    thresholdOption(),
    providerOption(),
    mergeOption(),
    rulesOption(),
    jsonOption(),
  ).action(run);
}

interface Answer {
  batch: NamedBatch;
  decision: Decision;
  result: RunResult;
}

async function run(path: string, options: RunOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  const binding = context.binding();
  const provider = binding.openProvider(options.provider);
  const rules = loadRules(options.rules, context.env);
  const { threshold, warnings } = thresholdOf(options, context);
  for (const warning of [...warnings, ...rules.warnings]) context.warn(warning);
  checkContract(options, provider);
  let batches: NamedBatch[] = [];
  const { checkpoint, layer } = await openLayer(context, path, options, async ({ catalog }, { shape }) => {
    await checkOutput(options.out, [options.input, ...catalog.files.map((file) => file.path)]);
    batches = await readBatches(options.input, shape);
  });
  for (const warning of notFinite(batches)) context.warn(warning);
  try {
    const runner = await makeRunner({ provider, layer, rules, threshold, options, context });
    const answers: Answer[] = [];
    let deviceMemory: DeviceMemory | null = null;
    try {
      for (const batch of batches) {
        context.progress('running', answers.length, batches.length);
        answers.push({ batch, ...(await runner.run(batch)) });
      }
      deviceMemory = runner.deviceMemory();
    } finally {
      await runner.close();
    }
    const tensors = collect(answers);
    await writeTensors(options.out, tensors);
    report(context, { layer, provider, threshold, options, answers, tensors, deviceMemory });
  } finally {
    await checkpoint.close();
  }
}

/** What can be said before anything is loaded. @throws AppError `bad-option`, `unsupported`. */
function checkContract({ contract, path }: RunOptions, provider: Provider): void {
  if (!referenceContracts.some((known) => known === contract)) return;
  if (path !== 'auto') {
    throw new AppError({
      code: 'bad-option',
      message: `Contract ${contract} has one answer, from the checkpoint; it has no path ${path}.`,
      subject: '--path',
      expected: 'auto',
      found: path,
    });
  }
  if (provider.capabilities().contracts.includes(contract)) return;
  throw new AppError({
    code: 'unsupported',
    message: `Provider ${provider.name} does not answer the contract ${contract}.`,
    subject: '--contract',
    expected: provider.capabilities().contracts.join(', '),
    found: contract,
    remedy: 'Add --provider reference.',
  });
}

/** `--path cutlass` needs the CUTLASS sets, which are made only with a threshold above 0: without one it stands for 1. */
function thresholdOf(options: RunOptions, context: CliContext): ReturnType<typeof resolveThreshold> {
  const argument = options.threshold === undefined ? undefined : { tokens: options.threshold, where: '--threshold' };
  const resolved = resolveThreshold({ ...(argument && { argument }), env: context.env });
  const isReference = referenceContracts.some((contract) => contract === options.contract);
  if (options.path !== 'cutlass' || resolved.threshold.tokens > 0 || isReference) return resolved;
  return { ...resolved, threshold: { tokens: 1, origin: { kind: 'argument', where: '--path cutlass' } } };
}

interface Runner {
  run(batch: NamedBatch): Promise<{ decision: Decision; result: RunResult }>;
  deviceMemory(): DeviceMemory | null;
  close(): Promise<void>;
}

interface RunnerParts {
  provider: Provider;
  layer: LoadedLayer;
  rules: DispatchRules;
  threshold: ReturnType<typeof resolveThreshold>['threshold'];
  options: RunOptions;
  context: CliContext;
}

async function makeRunner({ provider, layer, rules, threshold, options, context }: RunnerParts): Promise<Runner> {
  const { contract, path, taps = [] } = options;
  const binding = context.binding();
  const cancel = context.cancelFlag();
  const own = referenceContracts.find((known) => known === contract);
  if (own) {
    const answers = await runOnReference({ binding, provider, layer, contract: own, rules, taps, cancel });
    return { ...answers, deviceMemory: () => null };
  }
  const wrapper = new Wrapper({ binding, provider, layer, contract: contract as Contract, threshold, rules });
  await wrapper.ensure(context.task('preparing'));
  return {
    run: (batch) => wrapper.run(batch, { force: path, taps, cancel }),
    deviceMemory: () => wrapper.deviceMemory,
    close: () => wrapper.destroy(),
  };
}

/** "y" and the taps, with the batch's name before them where it has one. */
function collect(answers: readonly Answer[]): Map<string, NativeTensor> {
  const tensors = new Map<string, NativeTensor>();
  for (const { batch, result } of answers) {
    for (const [name, tensor] of Object.entries(result.tensors))
      tensors.set(batch.name === '' ? name : `${batch.name}.${name}`, tensor);
  }
  return tensors;
}

interface Reported extends Pick<RunnerParts, 'layer' | 'provider' | 'threshold' | 'options'> {
  answers: Answer[];
  tensors: Map<string, NativeTensor>;
  deviceMemory: DeviceMemory | null;
}

function report(
  context: CliContext,
  { layer, provider, threshold, options, answers, tensors, deviceMemory }: Reported,
): void {
  const data = {
    layer: layer.plan.index,
    shape: layer.plan.shape,
    contract: options.contract,
    merge: options.merge,
    threshold,
    provider: { name: provider.name, version: provider.version, device: provider.probe().name },
    ...(deviceMemory && { deviceMemory }),
    out: options.out,
    tensors: [...tensors].map(([name, tensor]) => ({ name, dtype: tensor.info().dtype, shape: tensor.info().shape })),
    notes: layer.notes,
    batches: answers.map(({ batch, decision, result }) => ({
      name: batch.name,
      tokens: batch.tokens,
      decision,
      microseconds: totalMicroseconds(result.stages),
      stages: result.stages,
      workspaceBytes: result.workspaceBytes,
    })),
  };
  context.result(data, () =>
    [
      `layer ${data.layer}, contract ${data.contract}, threshold ${threshold.tokens} (${threshold.origin.where}), provider ${provider.name} ${provider.version}`,
      ...answers.flatMap(({ batch, decision, result }) => [
        '',
        `${batch.name === '' ? 'batch' : batch.name}: ${decision.tokens} tokens, ${decision.routedPairs} routed pairs -> ${decision.path}, ${decision.kernel}${decision.tileM > 0 ? `, tile ${decision.tileM}x${decision.tileN}` : ''}; ${number(totalMicroseconds(result.stages))} us`,
        chainText(decision),
      ]),
      '',
      ...(deviceMemory ? [memoryText(deviceMemory)] : []),
      `${options.out}: ${data.tensors.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(', ')}]`).join('; ')}`,
    ].join('\n'),
  );
}

function memoryText({ tensors, reordered, runs, graphs }: DeviceMemory): string {
  return `device memory: tensors ${bytesText(tensors)}, copies in the kernels' order ${bytesText(reordered)}, buffers of runs ${bytesText(runs)}, ${graphs} captured graphs`;
}

function chainText({ steps }: Decision): string {
  return table(
    ['  step', 'value', '', 'limit', 'unit', '', 'leads to', 'limit from'],
    steps.map((step) => [
      `  ${step.name}`,
      String(step.value),
      step.comparison,
      String(step.limit),
      step.unit,
      step.outcome ? 'yes' : 'no',
      step.leads,
      `${step.origin.kind} ${step.origin.where}`,
    ]),
  );
}
