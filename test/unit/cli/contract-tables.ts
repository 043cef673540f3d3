/**
 * The prepared parameters of every contract, computed here from the checkpoint's bytes alone and by other means than the
 * product: a search over all E4M3 values instead of bit tricks, fp32 by Math.fround, the swizzle by its published formula.
 * Sources: vLLM #43687 (first and later revision), FlashInfer #3407, #3932; domain notes "Contract ...".
 */
import type { FileTensor } from '../../fixtures/tensor-file';

const f32 = Math.fround;

/** The 127 values from 0 up that E4M3 (fn) has, by code. */
const values = Array.from({ length: 127 }, (_, code) => {
  const exponent = code >> 3;
  const mantissa = code & 7;
  return exponent === 0 ? mantissa * 2 ** -9 : (8 + mantissa) * 2 ** (exponent - 10);
});

/** Nearest code, ties to the even code, saturating at 448. */
export function nearestE4m3(value: number): number {
  let best = 0;
  for (let code = 1; code < values.length; code++) {
    const [distance, shortest] = [Math.abs(values[code]! - value), Math.abs(values[best]! - value)];
    if (distance < shortest || (distance === shortest && code % 2 === 0)) best = code;
  }
  return best;
}

/** Published 128x4 layout: rows padded to 128, columns to 4, padding zero. */
export function swizzle(linear: Uint8Array, rows: number, columns: number): Uint8Array {
  const tiles = Math.ceil(columns / 4);
  const stored = new Uint8Array(Math.ceil(rows / 128) * 128 * tiles * 4);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const offset =
        Math.floor(r / 128) * tiles * 512 +
        Math.floor(c / 4) * 512 +
        (r % 32) * 16 +
        Math.floor((r % 128) / 32) * 4 +
        (c % 4);
      stored[offset] = linear[r * columns + c]!;
    }
  }
  return stored;
}

export interface ExpectedTensor {
  dtype: string;
  shape: number[];
  bytes: Buffer;
}
export interface ContractRequest {
  /** tensors of model.safetensors */
  tensors: ReadonlyMap<string, FileTensor>;
  /** "model.layers.0.mlp.experts" */
  prefix: string;
  experts: number;
  gated: boolean;
  contract: 'unit-alpha' | 'activation-alpha' | 'clean';
  threshold: number;
  merge: 'max' | 'column-0';
}

interface Projection {
  packed: Buffer;
  scale: Buffer;
  rows: number;
  columns: number;
  s2: number;
  input: number | null;
}

function projection(tensors: ReadonlyMap<string, FileTensor>, prefix: string): Projection {
  const large = tensors.has(`${prefix}.weight_packed`);
  const get = (suffix: string) => tensors.get(`${prefix}.${suffix}`)!;
  const small = (tensor: FileTensor) => (large ? f32(1 / tensor.bytes.readFloatLE(0)) : tensor.bytes.readFloatLE(0));
  const packed = get(large ? 'weight_packed' : 'weight');
  const input = tensors.get(`${prefix}.${large ? 'input_global_scale' : 'input_scale'}`);
  return {
    packed: packed.bytes,
    scale: get('weight_scale').bytes,
    rows: packed.shape[0]!,
    columns: packed.shape[1]! * 2,
    s2: small(get(large ? 'weight_global_scale' : 'weight_scale_2')),
    input: input ? small(input) : null,
  };
}

/** Rows [up, gate] of one expert under one global scale. */
function mergeGateUp(
  gate: Projection,
  up: Projection,
  merge: 'max' | 'column-0',
): { s2: number; packed: Buffer; scale: Buffer } {
  const s2 = merge === 'column-0' ? gate.s2 : Math.max(gate.s2, up.s2);
  const rescaled = ({ scale, s2: own }: Projection) => {
    if (merge === 'column-0' || own === s2) return scale;
    const ratio = f32(own / s2);
    return Buffer.from(scale.map((code) => nearestE4m3(f32(values[code]! * ratio))));
  };
  return { s2, packed: Buffer.concat([up.packed, gate.packed]), scale: Buffer.concat([rescaled(up), rescaled(gate)]) };
}

const floats = (list: readonly number[]) => Buffer.from(Float32Array.from(list).buffer);

/** Every parameter that the contract registers, by name. */
export function expectedParameters(request: ContractRequest): Map<string, ExpectedTensor> {
  const { tensors, prefix, experts, gated, contract, threshold, merge } = request;
  const up = (name: string, expert: number) => projection(tensors, `${prefix}.${expert}.${name}`);
  const all = Array.from({ length: experts }, (_, expert) => {
    const [ups, downs] = [up('up_proj', expert), up('down_proj', expert)];
    const gates = gated ? up('gate_proj', expert) : null;
    const w13 = gates ? mergeGateUp(gates, ups, merge) : ups;
    return { ups, downs, gates, w13 };
  });
  const [first] = all;
  const H = first!.downs.rows;
  const I = first!.downs.columns;
  const rows13 = gated ? 2 * I : I;
  const weightsOnly = first!.downs.input === null;
  const a1 = weightsOnly
    ? 1
    : Math.max(...all.flatMap(({ ups, gates }) => [ups.input!, ...(gates ? [gates.input!] : [])]));
  const a2 = weightsOnly ? 1 : Math.max(...all.map(({ downs }) => downs.input!));
  const [s13, s2] = [all.map(({ w13 }) => w13.s2), all.map(({ downs }) => downs.s2)];
  const bakes = contract !== 'clean';
  // A weight-only checkpoint has no activation scales: activation-alpha takes unit-alpha's values.
  const unit = contract === 'unit-alpha' || weightsOnly;

  const expected = new Map<string, ExpectedTensor>();
  const blockScales = (name: string, rows: number, columns: number, linear: (expert: number) => Uint8Array) => {
    const planes = all.map((_, expert) => swizzle(linear(expert), rows, columns));
    expected.set(name, {
      dtype: 'F8_E4M3',
      shape: [experts, Math.ceil(rows / 128) * 128, Math.ceil(columns / 4) * 4],
      bytes: Buffer.concat(planes),
    });
  };
  const perExpert = (name: string, value: (expert: number) => number) =>
    expected.set(name, { dtype: 'F32', shape: [experts], bytes: floats(all.map((_, expert) => f32(value(expert)))) });
  const baked = (scale: Uint8Array, multiplier: number) =>
    bakes ? scale.map((code) => nearestE4m3(f32(values[code]! * multiplier))) : scale;

  expected.set('w13_weight', {
    dtype: 'U8',
    shape: [experts, rows13, H / 2],
    bytes: Buffer.concat(all.map(({ w13 }) => w13.packed)),
  });
  expected.set('w2_weight', {
    dtype: 'U8',
    shape: [experts, H, I / 2],
    bytes: Buffer.concat(all.map(({ downs }) => downs.packed)),
  });
  blockScales('w13_weight_scale', rows13, H / 16, (expert) => baked(all[expert]!.w13.scale, s13[expert]!));
  blockScales('w2_weight_scale', H, I / 16, (expert) => baked(all[expert]!.downs.scale, s2[expert]!));
  perExpert('w13_weight_scale_2', (expert) => (contract === 'clean' ? s13[expert]! : unit ? 1 : a1));
  perExpert('w2_weight_scale_2', (expert) => (contract === 'clean' ? s2[expert]! * a2 : unit ? 1 : a2));
  perExpert('a1_gscale', () => 1 / a1);
  perExpert('a2_gscale', () => (unit ? 1 : 1 / a2));
  if (contract === 'clean') perExpert('input_global_scale', () => a1);
  if (contract !== 'unit-alpha') perExpert('fc2_input_scale', () => (unit ? 1 : a2));
  if (threshold > 0) {
    blockScales('w13_cutlass_weight_scale', rows13, H / 16, (expert) => all[expert]!.w13.scale);
    blockScales('w2_cutlass_weight_scale', H, I / 16, (expert) => all[expert]!.downs.scale);
    perExpert('w13_cutlass_a_gscale', () => 1 / a1);
    perExpert('w2_cutlass_a_gscale', () => 1 / a2);
    const alpha = (s: number, a: number) => (contract === 'unit-alpha' ? s / f32(1 / a) : s * a);
    perExpert('w13_cutlass_g_alphas', (expert) => alpha(s13[expert]!, a1));
    perExpert('w2_cutlass_g_alphas', (expert) => alpha(s2[expert]!, a2));
  }
  return expected;
}
