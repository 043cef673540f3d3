/** `moescope inspect`: what a checkpoint or session holds, layer by layer, what loading would do to its scales, and their hazards. */
import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { AppError } from '../contract/errors';
import type { HazardReport } from '../contract/hazards';
import type { Contract } from '../contract/layer';
import { Checkpoint, type OpenedLayer } from '../engine/checkpoint/checkpoint';
import { type BlockScaleHealth, blockScaleHealth } from '../engine/layer/block-scale-health';
import { loadLayer, type Merge } from '../engine/layer/load-layer';
import { readScaleRanges, type ScaleRanges } from '../engine/layer/scales';
import type { NativeBinding } from '../engine/native/binding';
import { manifestFile } from '../engine/session/files';
import { CliContext, ReportedError } from './context';
import { setExitCode } from './exit-code';
import { failed, findingsText, hazardsOf, inspectSession } from './inspect-hazards';
import { addOptions, contractOption, jsonOption, mergeOption, wholeNumber } from './options';
import { bytesText, number, percent, table } from './text';

interface InspectOptions {
  layer?: number | 'all';
  contract: Contract;
  merge: Merge;
}
/** What is known of one layer or of all beyond the table; null where it was not asked for. */
interface Looked {
  health: BlockScaleHealth[] | null;
  hazards: HazardReport | null;
}
interface InspectedLayer {
  layer: OpenedLayer;
  ranges: ScaleRanges | null;
  error: AppError | null;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('inspect')
    .description(
      'layers, shapes, quantization and scales of a checkpoint; with --layer what a contract does to its block scales and the hazards of a layer or of all; of a session, the hazards of its recorded layer. Exit code 1 when a hazard is an error',
    )
    .argument('<checkpoint>', 'checkpoint folder, or a recorded session');
  addOptions(command, layersOption(), contractOption(), mergeOption(), jsonOption()).action(inspect);
}

const layersOption = () =>
  new Option('--layer <number>', 'layer, or all: every MoE layer').argParser((text) =>
    text === 'all' ? text : wholeNumber(0)(text),
  );

async function inspect(path: string, options: InspectOptions, command: Command): Promise<void> {
  const context = new CliContext(command);
  if (existsSync(manifestFile(path))) {
    if (failed(await inspectSession(path, context))) setExitCode(command, 1);
    return;
  }
  const checkpoint = await Checkpoint.open(path, context.signal);
  try {
    const layers = await inspectLayers(checkpoint, context);
    const single = typeof options.layer === 'number' ? options.layer : null;
    const health = single === null ? null : await inspectLayer(checkpoint, single, options, context);
    const asked = { ...options, ...(single === null ? {} : { layers: [single] }) };
    const hazards = options.layer === undefined ? null : await hazardsOf(checkpoint, asked, context);
    // With all layers looked at, a broken one is a finding among the others.
    const broken = options.layer === 'all' ? undefined : layers.find((layer) => layer.error);
    context.result(asData(checkpoint, layers, { health, hazards, error: broken?.error ?? null }), () =>
      asText(checkpoint, layers, { health, hazards }, options),
    );
    if (hazards && failed(hazards)) setExitCode(command, 1);
    // The table is useful also when a layer is broken; the error and its exit code follow it (in JSON it is in the object).
    if (broken?.error) throw context.json ? new ReportedError(broken.error) : broken.error;
  } finally {
    await checkpoint.close();
  }
}

async function inspectLayers(checkpoint: Checkpoint, context: CliContext): Promise<InspectedLayer[]> {
  const inspected: InspectedLayer[] = [];
  const binding = bindingOrNull(context);
  for (const layer of checkpoint.layers) {
    if (!layer.plan || !binding) {
      inspected.push({ layer, ranges: null, error: layer.error });
      continue;
    }
    try {
      context.progress('reading scales', inspected.length, checkpoint.layers.length);
      inspected.push({ layer, ranges: await readScaleRanges(checkpoint, layer.plan, binding), error: null });
    } catch (thrown) {
      inspected.push({ layer, ranges: null, error: AppError.from(thrown) });
    }
  }
  return inspected;
}

/** Names and shapes need no addon; only the scales do. */
function bindingOrNull(context: CliContext): NativeBinding | null {
  try {
    return context.binding();
  } catch (thrown) {
    context.warn(`scales are not read: ${AppError.from(thrown).message}`);
    return null;
  }
}

async function inspectLayer(
  checkpoint: Checkpoint,
  index: number,
  { contract, merge }: InspectOptions,
  context: CliContext,
): Promise<BlockScaleHealth[]> {
  const layer = await loadLayer(checkpoint, index, context.binding(), {
    merge,
    ...context.task(`loading layer ${index}`),
  });
  return blockScaleHealth(context.binding(), layer, contract, context.task('preparing'));
}

function asData(
  checkpoint: Checkpoint,
  layers: readonly InspectedLayer[],
  { health, hazards, error }: Looked & { error: AppError | null },
) {
  return {
    ...checkpoint.summary,
    layers: layers.map(({ layer, ranges, error: fault }) => ({
      ...layer.entry,
      bytes: layer.bytes,
      scales: ranges,
      error: fault?.toData() ?? null,
    })),
    ...(health && { blockScales: health }),
    ...hazards,
    ...(error && { error: error.toData() }),
  };
}

const rangeText = (range: { min: number; max: number } | null | undefined): string => {
  if (!range) return '-';
  return range.min === range.max ? number(range.min) : `${number(range.min)} .. ${number(range.max)}`;
};

function asText(
  checkpoint: Checkpoint,
  layers: readonly InspectedLayer[],
  { health, hazards }: Looked,
  options: InspectOptions,
): string {
  const { summary } = checkpoint;
  const { routing } = summary;
  const lines = [
    `${summary.name}: ${summary.family} (${summary.modelType}), ${summary.format} ${summary.quantAlgo}, written by ${summary.producer}`,
    `${summary.files} file(s), ${bytesText(summary.bytes)}, ${summary.tensors} tensors`,
    `routing: ${routing.scoring}${routing.correctionBias ? ' with correction bias' : ''}, ${routing.groups} group(s) top ${routing.topGroups}, ${routing.renormalize ? 'renormalized' : 'not renormalized'}, scale ${number(routing.scale)}`,
    '',
    table(
      [
        'layer',
        'kind',
        'experts are',
        'H',
        'I',
        'E',
        'top-k',
        'activation',
        'bytes',
        'weight_scale_2',
        'input scale FC1',
        'input scale FC2',
      ],
      layers.map(({ layer: { entry, bytes }, ranges }) => [
        String(entry.index),
        entry.kind,
        entry.quantization,
        ...(entry.shape
          ? [entry.shape.hidden, entry.shape.intermediate, entry.shape.experts, entry.shape.topK].map(String)
          : ['', '', '', '']),
        entry.shape ? `${entry.shape.activation}${entry.shape.gated ? ', gated' : ''}` : '',
        bytesText(bytes),
        rangeText(ranges?.s2),
        rangeText(ranges?.input1),
        rangeText(ranges?.input2),
      ]),
    ),
  ];
  const notes = layers.flatMap(({ layer: { entry } }) => entry.notes.map((note) => `layer ${entry.index}: ${note}`));
  if (notes.length > 0) lines.push('', ...notes);
  if (summary.warnings.length > 0) lines.push('', ...summary.warnings.map((warning) => `warning: ${warning}`));
  if (health) lines.push('', healthText(health, options));
  if (hazards) lines.push('', findingsText(hazards));
  return lines.join('\n');
}

function healthText(health: readonly BlockScaleHealth[], { layer, contract }: InspectOptions): string {
  const row = (tensor: string, when: string, side: BlockScaleHealth['before']) => [
    tensor,
    when,
    number(side.min),
    number(side.max),
    percent(side.zero),
    percent(side.subnormal),
    percent(side.saturated),
    `expert ${side.worstExpert}: ${percent(side.worstShare)}`,
  ];
  return [
    `Block scales of layer ${layer}, as stored and as ${contract} leaves them for b12x (E4M3; subnormal is below 2^-6):`,
    table(
      ['tensor', '', 'min', 'max', 'zero', 'subnormal', 'at 448', 'most zero or subnormal'],
      health.flatMap(({ tensor, before, after }) => [row(tensor, 'checkpoint', before), row('', contract, after)]),
    ),
  ].join('\n');
}
