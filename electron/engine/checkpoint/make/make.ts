/**
 * Writes a ModelOpt NVFP4 checkpoint of a known model's shape with random weights, quantized by our own quantizer. It has the
 * MoE layers only: experts and routers, no attention and no embeddings.
 */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AppError } from '../../../contract/errors';
import type { NativeBinding } from '../../native/binding';
import { fileError } from '../file-errors';
import { throwIfAborted } from '../safetensors/catalog';
import { byteSize, planShards, SafetensorsWriter, siblingName, type TensorSpec } from '../safetensors/write';
import { type MadeModel, modelConfig, quantConfig } from './config-files';
import { deriveSeed, normal } from './random';
import { planScales, type ScaleKind, type ScalePlan, shiftToGlobalScale } from './scales';
import { inputWidth, type ModelShape, modelShapes } from './shapes';

export interface MakeRequest {
  /** a key of `modelShapes` */
  shape: string;
  /** default: the model's */
  experts?: number;
  /** MoE layers to write, default 1 */
  layers?: number;
  scales: ScaleKind;
  seed: bigint;
  out: string;
  /** replace what is there */
  force?: boolean;
  /** recorded as the producer's version */
  version: string;
}
export interface MakeOptions {
  signal?: AbortSignal;
  /** bytes written */
  onProgress?: (done: number, total: number) => void;
  /** default `modelShapes` */
  shapes?: Readonly<Record<string, ModelShape>>;
}
export interface MadeCheckpoint {
  path: string;
  files: number;
  bytes: number;
  tensors: number;
  layers: number;
  experts: number;
}

/** As Hugging Face's default, so that large shapes exercise the index. */
const shardBytes = 5_000_000_000;

/**
 * @throws AppError `bad-option` (unknown shape, experts below top-k, a place that is taken), `disk-full`, `cancelled`,
 *   `file-unreadable`. Nothing is left behind.
 */
export async function makeCheckpoint(
  request: MakeRequest,
  binding: NativeBinding,
  options: MakeOptions = {},
): Promise<MadeCheckpoint> {
  const model = modelOf(request, options.shapes ?? modelShapes);
  const out = resolve(request.out);
  await checkPlace(out, request.force ?? false);
  const work = siblingName(out, 'partial');
  try {
    await mkdir(work, { recursive: true });
    const made = await writeFiles(work, model, request, binding, options);
    await moveInto(work, out);
    return { ...made, path: out, layers: model.layers, experts: model.experts };
  } catch (thrown) {
    throw fileError(thrown, out);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function modelOf(request: MakeRequest, shapes: Readonly<Record<string, ModelShape>>): MadeModel {
  const shape = Object.hasOwn(shapes, request.shape) ? shapes[request.shape] : undefined;
  if (!shape) {
    throw new AppError({
      code: 'bad-option',
      message: `There is no shape ${request.shape}.`,
      subject: '--shape',
      expected: Object.keys(shapes).join(', '),
      found: request.shape,
    });
  }
  const experts = request.experts ?? shape.experts;
  const layers = request.layers ?? 1;
  if (experts < shape.topK) {
    throw new AppError({
      code: 'bad-option',
      message: `${request.shape} routes each token to ${shape.topK} experts.`,
      subject: '--experts',
      expected: `at least ${shape.topK}`,
      found: String(experts),
    });
  }
  const { root, module, router } = shape.naming;
  const excluded = Array.from({ length: layers }, (_, layer) => `${root}layers.${layer}.${module}.${router}`);
  return { shape, experts, layers, topK: shape.topK, excluded, version: request.version };
}

async function checkPlace(out: string, force: boolean): Promise<void> {
  let present: string[];
  try {
    present = await readdir(out);
  } catch (thrown) {
    if ((thrown as { code?: string }).code === 'ENOENT') {
      await mkdir(dirname(out), { recursive: true }).catch((failure) => {
        throw fileError(failure, dirname(out));
      });
      return;
    }
    throw fileError(thrown, out);
  }
  if (present.length === 0) return;
  // --force replaces a checkpoint, not whatever folder a slip of the hand names.
  if (force && present.includes('config.json')) return;
  throw new AppError({
    code: 'bad-option',
    message: force ? `${out} is no checkpoint folder; it is not replaced.` : `${out} exists and is not empty.`,
    subject: '--out',
    expected: force ? 'a new place, an empty folder, or a checkpoint' : 'a new place or an empty folder',
    found: `${present.length} entries`,
    remedy: force ? 'Give another place.' : 'Give another place, or --force to replace it.',
  });
}

async function moveInto(work: string, out: string): Promise<void> {
  const old = siblingName(out, 'old');
  const replaced = await rename(out, old).then(
    () => true,
    () => false,
  );
  await rename(work, out);
  if (replaced) await rm(old, { recursive: true, force: true });
}

/** What is made together and stays in one file: the router of a layer, or one expert. */
interface Group {
  tensors: TensorSpec[];
  make(): Promise<Uint8Array[]>;
}

async function writeFiles(
  folder: string,
  model: MadeModel,
  request: MakeRequest,
  binding: NativeBinding,
  { signal, onProgress }: MakeOptions,
) {
  const scales = planScales(model.shape, request.scales);
  const groups = Array.from({ length: model.layers }, (_, layer) =>
    layerGroups(layer, model, scales, request, binding),
  ).flat();
  const shards = planShards(groups, shardBytes);
  const total = groups.flatMap((group) => group.tensors).reduce((sum, tensor) => sum + byteSize(tensor), 0);
  const weightMap: Record<string, string> = {};
  let done = 0;
  for (const shard of shards) {
    const writer = await SafetensorsWriter.create(
      join(folder, shard.file),
      shard.groups.flatMap((group) => group.tensors),
    );
    try {
      for (const group of shard.groups) {
        throwIfAborted(signal);
        const made = await group.make();
        for (const [i, bytes] of made.entries()) {
          const { name } = group.tensors[i]!;
          await writer.write(name, bytes);
          weightMap[name] = shard.file;
          done += bytes.byteLength;
        }
        onProgress?.(done, total);
      }
      await writer.finish();
    } catch (thrown) {
      await writer.discard();
      throw thrown;
    }
  }
  const json = (name: string, value: unknown) => writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  if (shards.length > 1)
    await json('model.safetensors.index.json', { metadata: { total_size: total }, weight_map: weightMap });
  await json('config.json', modelConfig(model));
  await json('hf_quant_config.json', quantConfig(model));
  return { files: shards.length, bytes: total, tensors: Object.keys(weightMap).length };
}

const scalar = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer);

function layerGroups(
  layer: number,
  model: MadeModel,
  scales: ScalePlan,
  request: MakeRequest,
  binding: NativeBinding,
): Group[] {
  const { shape, experts } = model;
  const { root, module } = shape.naming;
  const prefix = `${root}layers.${layer}.${module}`;
  const first = layer * (experts * 4 + 2);
  const groups = [
    routerGroup(prefix, model, deriveSeed(request.seed, first), deriveSeed(request.seed, first + 1), binding),
  ];
  for (let expert = 0; expert < experts; expert++) {
    groups.push(expertGroup(`${prefix}.experts.${expert}`, shape, scales, request, first + 2 + expert * 4, binding));
  }
  return groups;
}

function routerGroup(
  prefix: string,
  { shape, experts }: MadeModel,
  seed: bigint,
  biasSeed: bigint,
  binding: NativeBinding,
): Group {
  const name = `${prefix}.${shape.naming.router}`;
  const biased = shape.scoring === 'sigmoid';
  const weight = { name: `${name}.weight`, dtype: 'BF16', shape: [experts, shape.hidden] };
  return {
    tensors: biased ? [weight, { name: `${name}.e_score_correction_bias`, dtype: 'F32', shape: [experts] }] : [weight],
    async make() {
      // Logits of x ~ N(0, 1) then have a standard deviation of 1.
      const bits = await binding.randomNormalBf16(experts * shape.hidden, seed, 1 / Math.sqrt(shape.hidden));
      const bytes = new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength);
      if (!biased) return [bytes];
      const bias = Float32Array.from({ length: experts }, (_, expert) => 0.01 * normal(deriveSeed(biasSeed, expert)));
      return [bytes, new Uint8Array(bias.buffer)];
    },
  };
}

function expertGroup(
  prefix: string,
  shape: ModelShape,
  scales: ScalePlan,
  request: MakeRequest,
  first: number,
  binding: NativeBinding,
): Group {
  const width = inputWidth(shape);
  const { gate, up, down } = shape.naming;
  const size = Math.exp(scales.spread * normal(deriveSeed(request.seed, first)));
  const fc1 = { rows: shape.intermediate, columns: width, sigma: scales.sigma13 * size, input: scales.a1 };
  /** 0 to 3, from the top bits of the expert's seed. */
  const octaves = Number(deriveSeed(request.seed, first) >> 62n);
  // Gate and up are made as one matrix and cut in two: exporters give them one weight_scale_2.
  const parts = [
    { names: shape.activation === 'relu2' ? [up] : [gate, up], ...fc1 },
    { names: [down], rows: width, columns: shape.intermediate, sigma: scales.sigma2 * size, input: scales.a2 },
  ];
  return {
    tensors: parts.flatMap(({ names, rows, columns }) =>
      names.flatMap((name) => [
        { name: `${prefix}.${name}.weight`, dtype: 'U8', shape: [rows, columns / 2] },
        { name: `${prefix}.${name}.weight_scale`, dtype: 'F8_E4M3', shape: [rows, columns / 16] },
        { name: `${prefix}.${name}.weight_scale_2`, dtype: 'F32', shape: [] },
        { name: `${prefix}.${name}.input_scale`, dtype: 'F32', shape: [] },
      ]),
    ),
    async make() {
      const made = await Promise.all(
        parts.map(({ names, rows, columns, sigma }, i) =>
          binding.makeProjection({
            rows: rows * names.length,
            columns,
            sigma,
            seed: deriveSeed(request.seed, first + 1 + i),
            scales: request.scales,
          }),
        ),
      );
      return made.flatMap(({ packed, scale, s2: quantized }, i) => {
        const { names, input } = parts[i]!;
        const exact = request.scales === 'power-of-two';
        const s2 = exact ? shiftToGlobalScale(scale, quantized, octaves) : quantized;
        return names.flatMap((_, half) => [
          part(packed, half, names.length),
          part(scale, half, names.length),
          scalar(s2),
          scalar(input),
        ]);
      });
    },
  };
}

/** The `index`-th of `count` equal parts. */
function part(bytes: Uint8Array, index: number, count: number): Uint8Array {
  const size = bytes.byteLength / count;
  return bytes.subarray(index * size, (index + 1) * size);
}
