/** Opens a checkpoint folder: reads configuration and headers, lists its layers, touches no tensor. */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { AppError } from '../../contract/errors';
import type { CheckpointSummary, LayerEntry } from '../../contract/layer';
import type { MappedFile, NativeBinding } from '../native/binding';
import { familyOf } from './families';
import { fileError, readJsonObject } from './file-errors';
import { groupLayers, type LayerGroup } from './layer-groups';
import { type LayerPlan, planLayer, storedAs } from './layer-plan';
import { type ModelConfig, readModelConfig } from './model-config';
import { type QuantizationInfo, readQuantization } from './quantization';
import { type Catalog, type CatalogTensor, readCatalog, throwIfAborted } from './safetensors/catalog';

/** A layer as listed, with what is needed to load it or the reason why it cannot be. */
export interface OpenedLayer {
  readonly entry: LayerEntry;
  /** bytes of all its tensors in the checkpoint */
  readonly bytes: number;
  readonly plan: LayerPlan | null;
  readonly error: AppError | null;
  /** name of the router's e_score_correction_bias, F32 [E] */
  readonly correctionBias: string | null;
}

export class Checkpoint {
  private readonly maps = new Map<number, Promise<MappedFile>>();

  private constructor(
    readonly summary: CheckpointSummary,
    readonly layers: readonly OpenedLayer[],
    readonly catalog: Catalog,
    readonly model: ModelConfig,
    readonly quantization: QuantizationInfo,
  ) {}

  /**
   * @param path folder with config.json and the weights
   * @throws AppError: `file-not-found`, `file-unreadable`, `file-truncated`, `bad-header`, `overlapping-tensors`, `wrong-dtype`,
   *   `wrong-shape`, `bad-config`, `unknown-quantization`, `cancelled`. A fault of one layer is kept in `layers[].error`.
   */
  static async open(path: string, signal?: AbortSignal): Promise<Checkpoint> {
    const folder = resolve(path);
    await expectFolder(folder);
    const paths = { config: join(folder, 'config.json'), quantConfig: join(folder, 'hf_quant_config.json') };
    const config = await readJsonObject(paths.config);
    const quantConfig = await readOptional(paths.quantConfig);
    const quantization = readQuantization(config, quantConfig, paths);
    const catalog = await readCatalog(folder, signal);
    throwIfAborted(signal);
    const groups = groupLayers(catalog);
    const model = readModelConfig(
      config,
      paths.config,
      groups.layers.some((layer) => layer.correctionBias !== null),
    );
    const layers = groups.layers.map((group) => openLayer(group, model, quantization));
    const summary: CheckpointSummary = {
      path: folder,
      name: basename(folder),
      family: familyOf(model.modelType),
      modelType: model.modelType,
      format: quantization.format,
      quantAlgo: quantization.algo,
      producer: quantization.producer,
      files: catalog.files.length,
      bytes: catalog.files.reduce((sum, file) => sum + file.size, 0),
      tensors: catalog.tensors.size,
      routing: model.routing,
      layers: layers.map((layer) => layer.entry),
      warnings: [...quantization.warnings, ...model.warnings, ...groups.warnings],
    };
    return new Checkpoint(summary, layers, catalog, model, quantization);
  }

  /**
   * The first MoE layer in NVFP4. Layers that were left in another format are passed over, a broken one is not: its fault
   * would go unseen behind the next layer's answer.
   * @throws the first such layer's error, or `not-moe` when there is none.
   */
  firstLayer(): number {
    const inFormat = this.layers.find(({ plan, error }) => plan || (error && error.code !== 'unknown-quantization'));
    const first = inFormat ?? this.layers.find(({ error }) => error);
    if (first?.plan) return first.entry.index;
    if (first?.error) throw first.error;
    throw new AppError({
      code: 'not-moe',
      message: `${this.summary.path} has no layer with routed experts.`,
      subject: this.summary.path,
      found: `${this.layers.length} layers, none MoE`,
      remedy: 'Open a mixture-of-experts checkpoint.',
    });
  }

  /** @throws AppError: the layer's own fault, or `not-moe`. */
  plan(index: number): LayerPlan {
    const layer = this.layers.find((candidate) => candidate.entry.index === index);
    if (layer?.plan) return layer.plan;
    if (layer?.error) throw layer.error;
    const moe = this.layers.filter((candidate) => candidate.plan).map((candidate) => candidate.entry.index);
    throw new AppError({
      code: 'not-moe',
      message: layer ? `Layer ${index} has no routed experts.` : `There is no layer ${index}.`,
      subject: `layer ${index}`,
      expected: moe.length > 0 ? `one of the MoE layers: ${ranges(moe)}` : 'a MoE layer; this checkpoint has none',
      ...(layer && { found: `a ${layer.entry.kind} layer` }),
    });
  }

  /** The memory map of a file, opened at first use and kept. */
  async file(index: number, binding: NativeBinding): Promise<MappedFile> {
    let map = this.maps.get(index);
    if (!map) {
      map = binding.mapFile(this.catalog.files[index]!.path);
      this.maps.set(index, map);
      // A failed map is not kept: the file may be readable next time.
      map.catch(() => this.maps.delete(index));
    }
    return map;
  }

  /** The bytes of a tensor. @throws `missing-tensor`, or what mapping the file throws. */
  async read(name: string, binding: NativeBinding): Promise<{ tensor: CatalogTensor; bytes: Uint8Array }> {
    const tensor = this.catalog.tensors.get(name);
    if (!tensor) throw new AppError({ code: 'missing-tensor', message: `Tensor ${name} is missing.`, subject: name });
    const file = await this.file(tensor.file, binding);
    return { tensor, bytes: file.read(tensor.begin, tensor.end - tensor.begin) };
  }

  /** Closes the maps that were opened here; layers that were loaded from them keep their own. */
  async close(): Promise<void> {
    const maps = [...this.maps.values()];
    this.maps.clear();
    for (const map of await Promise.allSettled(maps)) if (map.status === 'fulfilled') map.value.close();
  }
}

async function expectFolder(path: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) return;
  } catch (thrown) {
    throw fileError(thrown, path);
  }
  throw new AppError({
    code: 'file-unreadable',
    message: `${path} is not a folder.`,
    subject: path,
    expected: 'the folder that holds config.json and the weights',
    found: 'a file',
  });
}

async function readOptional(path: string): Promise<Record<string, unknown> | null> {
  try {
    return await readJsonObject(path);
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'file-not-found') return null;
    throw thrown;
  }
}

function openLayer(group: LayerGroup, model: ModelConfig, quantization: QuantizationInfo): OpenedLayer {
  const base = { index: group.index, prefix: group.expertsPrefix ?? group.prefix };
  const rest = { bytes: group.bytes, correctionBias: group.correctionBias };
  const listed = (
    kind: LayerEntry['kind'],
    quantized: LayerEntry['quantization'],
    notes: string[],
    error: AppError | null = null,
  ): OpenedLayer => ({
    entry: { ...base, kind, notes, shape: null, quantization: quantized },
    ...rest,
    plan: null,
    error,
  });
  if (group.experts.size === 0) {
    if (!group.fused) return listed(group.hasMlp ? 'dense' : 'other', 'none', []);
    const error = new AppError({
      code: 'unsupported-shape',
      message: `All experts of layer ${group.index} are in one tensor, ${group.fused}.`,
      subject: group.fused,
      expected: 'one tensor an expert and projection',
      remedy: 'Export with one tensor an expert, as ModelOpt and llmcompressor do.',
    });
    return listed('moe', 'other', [error.message], error);
  }
  const stored = storedAs(group);
  if (stored.kind !== 'nvfp4') {
    const error = new AppError({
      code: 'unknown-quantization',
      message: `The experts of layer ${group.index} are not NVFP4.`,
      subject: base.prefix,
      expected: 'U8 packed FP4 weights',
      found: stored.found,
    });
    return listed('moe', stored.kind, [`Experts are ${stored.found}, not NVFP4.`], error);
  }
  try {
    const plan = planLayer(group, model, quantization);
    return {
      entry: { ...base, kind: 'moe', notes: [...plan.notes], shape: plan.shape, quantization: plan.quantization },
      ...rest,
      plan,
      error: null,
    };
  } catch (thrown) {
    const error = AppError.from(thrown);
    return listed('moe', quantization.expertAlgo(`${base.prefix}.0`), [error.message], error);
  }
}

/** "0-3, 7" for messages. */
export function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let last = i;
    while (numbers[last + 1] === numbers[last]! + 1) last++;
    parts.push(last === i ? `${numbers[i]}` : `${numbers[i]}-${numbers[last]}`);
    i = last + 1;
  }
  return parts.join(', ');
}
