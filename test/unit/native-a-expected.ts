/**
 * The scale contracts once more, in plain TypeScript and from the raw safetensors bytes, so that the addon is judged by
 * something that shares no code with it. Arithmetic is fp32 through Math.fround, in the order of native/core/contract/contract.h.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AssembleSpec, MappedFile, ProjectionSources } from '../../electron/engine/native/binding';

export const checkpoints = [
  'modelopt-qwen3moe-tiny',
  'ct-qwen3moe-tiny',
  'modelopt-nemotronh-tiny',
  'modelopt-qwen3moe-w4a16-tiny',
] as const;

/** Folder of the shared checkpoints, or undefined; in CI it must be there. */
export function sharedCheckpoints(): string | undefined {
  const shared = process.env.MOESCOPE_SHARED ?? join(import.meta.dirname, '..', '..', '..', 'shared');
  const folder = join(shared, 'checkpoints');
  if (existsSync(folder)) return folder;
  if (process.env.CI === 'true')
    throw new Error(`the shared folder with checkpoints and goldens is missing: ${shared} (set MOESCOPE_SHARED)`);
  return undefined;
}

export interface RawTensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
  offset: number;
}

/** Every tensor of a safetensors file. */
export function readSafetensors(path: string): Map<string, RawTensor> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, RawTensor>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const offset = 8 + length + data_offsets[0];
    tensors.set(name, { dtype, shape, offset, bytes: file.subarray(offset, 8 + length + data_offsets[1]) });
  }
  return tensors;
}

const f32 = Math.fround;

/** E4M3 codes 0..0x7E; index = code. */
const magnitudes = Array.from({ length: 0x7f }, (_, code) =>
  code < 8 ? code * 2 ** -9 : (8 + (code & 7)) * 2 ** ((code >> 3) - 10),
);

/** Nearest non-negative E4M3 code by search, ties to even, saturating. */
export function nearestE4m3(value: number): number {
  if (value >= 448) return 0x7e;
  let high = magnitudes.findIndex((magnitude) => magnitude >= value);
  if (high === 0) return 0;
  const low = high - 1;
  const below = value - magnitudes[low]!;
  const above = magnitudes[high]! - value;
  if (below < above || (below === above && low % 2 === 0)) high = low;
  return high;
}

export interface RawLayer {
  path: string;
  gated: boolean;
  large: boolean;
  experts: number;
  hidden: number;
  intermediate: number;
  tensor(expert: number, projection: string, field: 'weight' | 'scale' | 's2' | 'input'): RawTensor | undefined;
}

/** Layer 0 of one of the shared checkpoints. */
export function rawLayer(folder: string, name: string): RawLayer {
  const path = join(folder, name, 'model.safetensors');
  const tensors = readSafetensors(path);
  const large = name.startsWith('ct-');
  const fields = large
    ? { weight: 'weight_packed', scale: 'weight_scale', s2: 'weight_global_scale', input: 'input_global_scale' }
    : { weight: 'weight', scale: 'weight_scale', s2: 'weight_scale_2', input: 'input_scale' };
  const up0 = [...tensors.keys()].find((key) => key.endsWith(`experts.0.up_proj.${fields.weight}`))!;
  const prefix = up0.slice(0, up0.indexOf('experts.0.'));
  const experts = [...tensors.keys()].filter(
    (key) => key.startsWith(`${prefix}experts.`) && key.endsWith(`up_proj.${fields.weight}`),
  ).length;
  const [intermediate, half] = tensors.get(up0)!.shape;
  return {
    path,
    large,
    experts,
    gated: tensors.has(`${prefix}experts.0.gate_proj.${fields.weight}`),
    hidden: half! * 2,
    intermediate: intermediate!,
    tensor: (expert, projection, field) =>
      tensors.get(`${prefix}experts.${expert}.${projection}_proj.${fields[field]}`),
  };
}

const scalar = (tensor: RawTensor) => new DataView(tensor.bytes.buffer, tensor.bytes.byteOffset).getFloat32(0, true);

/** What the engine would hand to assembleLayer. */
export function assembleSpec(layer: RawLayer, file: MappedFile): AssembleSpec {
  const all = Array.from({ length: layer.experts }, (_, expert) => expert);
  const sources = (projection: string): ProjectionSources => ({
    file: new Int32Array(layer.experts),
    packed: Float64Array.from(all, (e) => layer.tensor(e, projection, 'weight')!.offset),
    scaleFile: new Int32Array(layer.experts),
    scale: Float64Array.from(all, (e) => layer.tensor(e, projection, 'scale')!.offset),
    s2: Float32Array.from(all, (e) => scalar(layer.tensor(e, projection, 's2')!)),
    inputScale: layer.tensor(0, projection, 'input')
      ? Float32Array.from(all, (e) => scalar(layer.tensor(e, projection, 'input')!))
      : null,
  });
  return {
    hidden: layer.hidden,
    intermediate: layer.intermediate,
    experts: layer.experts,
    topK: 2,
    gated: layer.gated,
    activation: layer.gated ? 'silu' : 'relu2',
    swigluAlpha: 0,
    swigluLimit: 0,
    convention: layer.large ? 'large' : 'small',
    merge: 'max',
    files: [file],
    gate: layer.gated ? sources('gate') : null,
    up: sources('up'),
    down: sources('down'),
  };
}

/** Bytes of [rows, columns] scales in the 128x4 layout, as torch does it: pad, view (m, 4, 32, k, 4), permute. */
function swizzle(linear: Uint8Array, rows: number, columns: number): Uint8Array {
  const mTiles = Math.ceil(rows / 128);
  const kTiles = Math.ceil(columns / 4);
  const out = new Uint8Array(mTiles * kTiles * 512);
  let at = 0;
  for (let m = 0; m < mTiles; m++)
    for (let k = 0; k < kTiles; k++)
      for (let r32 = 0; r32 < 32; r32++)
        for (let r4 = 0; r4 < 4; r4++)
          for (let c = 0; c < 4; c++, at++) {
            const row = m * 128 + r4 * 32 + r32;
            const column = k * 4 + c;
            if (row < rows && column < columns) out[at] = linear[row * columns + column]!;
          }
  return out;
}

function concat(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Every parameter that `prepare` must give, by name, as bytes. */
export function expectedParameters(layer: RawLayer, contract: string, threshold: number): Map<string, Uint8Array> {
  const experts = Array.from({ length: layer.experts }, (_, expert) => expert);
  const halves = layer.gated ? ['up', 'gate'] : ['up'];
  const small = (tensor: RawTensor) => (layer.large ? f32(1 / scalar(tensor)) : scalar(tensor));
  const s2 = (projections: string[]) =>
    experts.map((e) => Math.max(...projections.map((p) => small(layer.tensor(e, p, 's2')!))));
  const inputs = (projections: string[]) => {
    const found = experts.flatMap((e) => projections.map((p) => layer.tensor(e, p, 'input')));
    return found.some((tensor) => tensor === undefined) ? 1 : Math.max(...found.map((tensor) => small(tensor!)));
  };
  const floats = (values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
  const same = (value: number) => floats(experts.map(() => value));
  const out = new Map<string, Uint8Array>();
  const unit = contract === 'unit-alpha';
  const clean = contract === 'clean';
  const gemms = [
    { name: 'w13', projections: halves, rows: layer.intermediate, columns: layer.hidden / 16, a: 'a1_gscale' },
    { name: 'w2', projections: ['down'], rows: layer.hidden, columns: layer.intermediate / 16, a: 'a2_gscale' },
  ];
  for (const { name, projections, rows, columns, a } of gemms) {
    const scales2 = s2(projections);
    const input = inputs(projections);
    const gscale = f32(1 / input);
    const stacked = experts.map((e) => concat(projections.map((p) => layer.tensor(e, p, 'scale')!.bytes)));
    const swizzled = stacked.map((plane) => swizzle(plane, rows * projections.length, columns));
    const baked = swizzled.map((plane, e) => plane.map((byte) => nearestE4m3(f32(magnitudes[byte]! * scales2[e]!))));
    out.set(
      `${name}_weight`,
      concat(experts.flatMap((e) => projections.map((p) => layer.tensor(e, p, 'weight')!.bytes))),
    );
    out.set(`${name}_weight_scale`, concat(clean ? swizzled : baked));
    const fc2 = name === 'w2';
    out.set(
      `${name}_weight_scale_2`,
      unit ? same(1) : clean ? floats(scales2.map((s) => (fc2 ? f32(s * input) : s))) : same(input),
    );
    out.set(a, unit && fc2 ? same(1) : same(gscale));
    if (fc2 && !unit) out.set('fc2_input_scale', same(input));
    if (!fc2 && clean) out.set('input_global_scale', same(input));
    if (threshold > 0) {
      out.set(`${name}_cutlass_weight_scale`, concat(swizzled));
      out.set(`${name}_cutlass_a_gscale`, same(gscale));
      out.set(`${name}_cutlass_g_alphas`, floats(scales2.map((s) => f32(unit ? s / gscale : s * input))));
    }
  }
  return out;
}
