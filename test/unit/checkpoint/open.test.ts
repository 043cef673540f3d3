/** What `Checkpoint.open` makes of the names and keys of different families, on checkpoints without real weights. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { Checkpoint, ranges } from '../../../electron/engine/checkpoint/checkpoint';
import { byteSize, type TensorSpec, writeSafetensors } from '../../../electron/engine/checkpoint/safetensors/write';
import { type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

const [H, I, E] = [64, 32, 2];
const tensor = (name: string, dtype: string, shape: number[]): TensorSpec => ({ name, dtype, shape });

/** The four tensors of a ModelOpt projection. */
function projection(prefix: string, rows: number, columns: number, weightsOnly = false): TensorSpec[] {
  const four = [
    tensor(`${prefix}.weight`, 'U8', [rows, columns / 2]),
    tensor(`${prefix}.weight_scale`, 'F8_E4M3', [rows, columns / 16]),
    tensor(`${prefix}.weight_scale_2`, 'F32', []),
    tensor(`${prefix}.input_scale`, 'F32', []),
  ];
  return weightsOnly ? four.slice(0, 3) : four;
}

function layer(
  prefix: string,
  names = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' },
  weightsOnly = false,
): TensorSpec[] {
  return Array.from({ length: E }, (_, expert) => [
    ...projection(`${prefix}.experts.${expert}.${names.gate}`, I, H, weightsOnly),
    ...projection(`${prefix}.experts.${expert}.${names.up}`, I, H, weightsOnly),
    ...projection(`${prefix}.experts.${expert}.${names.down}`, H, I, weightsOnly),
  ]).flat();
}

let written = 0;
async function open(
  tensors: TensorSpec[],
  config: Record<string, unknown> = {},
  quantization: Record<string, unknown> = { quant_algo: 'NVFP4' },
): Promise<Checkpoint> {
  const path = join(folder.path, `checkpoint-${written++}`);
  await mkdir(path);
  await writeSafetensors(
    join(path, 'model.safetensors'),
    tensors.map((spec) => ({ ...spec, bytes: new Uint8Array(byteSize(spec)) })),
  );
  const base = {
    model_type: 'qwen3_moe',
    hidden_size: H,
    moe_intermediate_size: I,
    num_experts: E,
    num_experts_per_tok: 2,
    hidden_act: 'silu',
  };
  await writeFile(join(path, 'config.json'), JSON.stringify({ ...base, ...config }));
  await writeFile(
    join(path, 'hf_quant_config.json'),
    JSON.stringify({ producer: { name: 'modelopt', version: '0.47.0' }, quantization }),
  );
  return Checkpoint.open(path);
}

const kinds = ({ layers }: Checkpoint) =>
  layers.map(
    ({ entry, error }) => `${entry.index} ${entry.kind} ${entry.quantization}${error ? ` ${error.code}` : ''}`,
  );

describe('names', () => {
  it.each([
    ['DeepSeek, GLM, Qwen3, Kimi', 'model.layers.0.mlp', undefined],
    ['Qwen3.5', 'model.language_model.layers.0.mlp', undefined],
    ['MiniMax-M2', 'model.layers.0.block_sparse_moe', { gate: 'w1', up: 'w3', down: 'w2' }],
    ['DeepSeek-V4', 'layers.0.ffn', { gate: 'w1', up: 'w3', down: 'w2' }],
    ['Llama 4', 'language_model.model.layers.0.feed_forward', undefined],
    ['experts directly below the layer', 'model.layers.0', undefined],
  ])('%s', async (_family, prefix, names) => {
    const checkpoint = await open(layer(prefix, names));
    expect(kinds(checkpoint)).toEqual(['0 moe nvfp4']);
    expect(checkpoint.layers[0]!.entry.prefix).toBe(`${prefix}.experts`);
    expect(checkpoint.plan(0).gate!.packed[1]!.name).toBe(`${prefix}.experts.1.${names?.gate ?? 'gate_proj'}.weight`);
  });
});

describe('layers', () => {
  it('dense, attention-only and MoE layers are listed in order', async () => {
    const checkpoint = await open([
      tensor('model.layers.0.mlp.up_proj.weight', 'BF16', [I, H]),
      tensor('model.layers.1.self_attn.q_proj.weight', 'BF16', [H, H]),
      ...layer('model.layers.2.mlp'),
      ...projection('model.layers.2.mlp.shared_experts.up_proj', I, H),
      tensor('model.layers.10.input_layernorm.weight', 'BF16', [H]),
    ]);
    expect(kinds(checkpoint)).toEqual(['0 dense none', '1 other none', '2 moe nvfp4', '10 other none']);
    expect(checkpoint.firstLayer()).toBe(2);
    expect(() => checkpoint.plan(0)).toThrow(/no routed experts/);
    expect(() => checkpoint.plan(5)).toThrow(/no layer 5/);
  });

  it('a model without experts opens, and has nothing to load', async () => {
    const checkpoint = await open([tensor('model.layers.0.mlp.up_proj.weight', 'BF16', [I, H])]);
    expect(kinds(checkpoint)).toEqual(['0 dense none']);
    expect(() => checkpoint.firstLayer()).toThrow(AppError);
  });

  it('a prediction head with experts of its own is named and not mixed in', async () => {
    const checkpoint = await open([
      ...layer('model.layers.0.mlp'),
      ...layer('model.layers.1.mlp'),
      ...layer('mtp.layers.0.mlp'),
    ]);
    expect(kinds(checkpoint)).toEqual(['0 moe nvfp4', '1 moe nvfp4']);
    expect(checkpoint.summary.warnings.join()).toMatch(/mtp\.layers/);
  });

  it('experts that were left unquantized, and FP8 ones', async () => {
    const plain = (prefix: string, dtype: string) =>
      Array.from({ length: E }, (_, e) => tensor(`${prefix}.experts.${e}.up_proj.weight`, dtype, [I, H]));
    const checkpoint = await open([
      ...plain('model.layers.0.mlp', 'BF16'),
      ...plain('model.layers.1.mlp', 'F8_E4M3'),
      ...layer('model.layers.2.mlp'),
    ]);
    expect(kinds(checkpoint)).toEqual([
      '0 moe none unknown-quantization',
      '1 moe other unknown-quantization',
      '2 moe nvfp4',
    ]);
  });

  it('all experts in one tensor: says so', async () => {
    const checkpoint = await open([tensor('model.layers.0.mlp.experts.gate_up_proj_blocks', 'U8', [E, 2 * I, H / 2])]);
    expect(kinds(checkpoint)).toEqual(['0 moe other unsupported-shape']);
    expect(checkpoint.layers[0]!.entry.notes[0]).toMatch(/gate_up_proj_blocks/);
  });
});

describe('quantization of a layer: dtypes decide', () => {
  const notes = (checkpoint: Checkpoint) => checkpoint.layers[0]!.entry.notes.join(' ');

  it('no input scales means weight-only, whatever the configuration says', async () => {
    const checkpoint = await open(layer('model.layers.0.mlp', undefined, true));
    expect(kinds(checkpoint)).toEqual(['0 moe w4a16']);
    expect(notes(checkpoint)).toMatch(/CUTLASS.*cannot run.*no input scale was exported/);
  });

  it('input scales are used although the configuration says weight-only', async () => {
    const checkpoint = await open(layer('model.layers.0.mlp'), {}, { quant_algo: 'W4A16_NVFP4' });
    expect(kinds(checkpoint)).toEqual(['0 moe nvfp4']);
    expect(notes(checkpoint)).toMatch(/they are used/);
  });

  it('excluded experts that are NVFP4 all the same', async () => {
    const checkpoint = await open(
      layer('model.layers.0.mlp'),
      {},
      { quant_algo: 'NVFP4', exclude_modules: ['model.layers.0.mlp*'] },
    );
    expect(kinds(checkpoint)).toEqual(['0 moe nvfp4']);
    expect(notes(checkpoint)).toMatch(/dtypes decide/);
  });

  it('MIXED_PRECISION with NVFP4 experts', async () => {
    const layers = {
      'model.layers.0.mlp.experts.0.up_proj': { quant_algo: 'NVFP4' },
      'model.layers.0.self_attn.q_proj': { quant_algo: 'FP8' },
    };
    const checkpoint = await open(
      layer('model.layers.0.mlp'),
      {},
      { quant_algo: 'MIXED_PRECISION', quantized_layers: layers },
    );
    expect(kinds(checkpoint)).toEqual(['0 moe nvfp4']);
    expect(notes(checkpoint)).not.toMatch(/dtypes decide/);
  });

  it('a latent size, padding and a clamp are noted', async () => {
    const checkpoint = await open(layer('model.layers.0.mlp'), {
      hidden_size: 4096,
      moe_latent_size: H,
      swiglu_limit: 10,
    });
    expect(checkpoint.plan(0).shape.hidden).toBe(H);
    expect(notes(checkpoint)).toMatch(/padded to 128/);
    expect(notes(checkpoint)).toMatch(/clamp only swigluoai/);
  });
});

it('ranges of numbers for messages', () => {
  expect(ranges([0, 1, 2, 5, 7, 8])).toBe('0-2, 5, 7-8');
  expect(ranges([])).toBe('');
});
