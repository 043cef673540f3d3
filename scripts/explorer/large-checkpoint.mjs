// A checkpoint whose first layer has a block-scale plane of 1e8 cells: made fast, of repeated random bytes.
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** H and I of one gated expert: [up, gate] of FC1 is one plane of 2I x H/16 = 12288 x 8192 = 1.007e8 block scales. */
export const largeShape = { hidden: 131072, intermediate: 6144, experts: 1 };
export const largePlane = { rows: 2 * largeShape.intermediate, columns: largeShape.hidden / 16 };

/** Bytes that look random and cost nothing: a xorshift block, written again and again from another place. */
function randomBlock(bytes) {
  const block = new Uint32Array(bytes / 4);
  let state = 0x9e3779b9;
  for (let at = 0; at < block.length; at++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    block[at] = state;
  }
  return new Uint8Array(block.buffer);
}

/** Scales that differ by row and by place, with a few zero, subnormal and saturated ones, none of them negative. */
function scaleRow(row, columns, noise) {
  const bytes = new Uint8Array(columns);
  const level = 0x38 + Math.round(12 * Math.sin(row / 97)) + (row % 7);
  for (let column = 0; column < columns; column++) {
    const dice = noise[(row * 8191 + column) % noise.length];
    bytes[column] = dice === 0 ? 0 : dice === 1 ? 3 : dice === 2 ? 0x7e : level + (dice & 7) + (column >> 10);
  }
  return bytes;
}

/** Writes the folder; some 1.4 GB. */
export function makeLargeCheckpoint(folder) {
  const { hidden, intermediate, experts } = largeShape;
  mkdirSync(folder, { recursive: true });
  const quantization = { quant_algo: 'NVFP4', group_size: 16, exclude_modules: [] };
  const config = {
    architectures: ['Qwen3MoeForCausalLM'],
    model_type: 'qwen3_moe',
    dtype: 'bfloat16',
    hidden_size: hidden,
    moe_intermediate_size: intermediate,
    num_hidden_layers: 1,
    hidden_act: 'silu',
    num_experts: experts,
    num_experts_per_tok: 1,
    norm_topk_prob: true,
    quantization_config: { quant_algo: 'NVFP4', quant_method: 'modelopt', ignore: [] },
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(
    join(folder, 'hf_quant_config.json'),
    JSON.stringify({ producer: { name: 'moescope', version: 'large' }, quantization }),
  );

  const tensors = [];
  for (let expert = 0; expert < experts; expert++)
    for (const [name, rows, columns] of [
      ['gate_proj', intermediate, hidden],
      ['up_proj', intermediate, hidden],
      ['down_proj', hidden, intermediate],
    ]) {
      const prefix = `model.layers.0.mlp.experts.${expert}.${name}`;
      tensors.push([`${prefix}.weight`, 'U8', [rows, columns / 2], rows * (columns / 2)]);
      tensors.push([`${prefix}.weight_scale`, 'F8_E4M3', [rows, columns / 16], rows * (columns / 16)]);
      tensors.push([`${prefix}.weight_scale_2`, 'F32', [], 4]);
      tensors.push([`${prefix}.input_scale`, 'F32', [], 4]);
    }
  tensors.push(['model.layers.0.mlp.gate.weight', 'BF16', [experts, hidden], experts * hidden * 2]);
  const header = {};
  let offset = 0;
  for (const [name, dtype, shape, bytes] of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = openSync(join(folder, 'model.safetensors'), 'w');
  writeSync(file, length);
  writeSync(file, json);
  const noise = randomBlock(1 << 20);
  const scalar = Buffer.alloc(4);
  for (const [name, , shape, bytes] of tensors) {
    if (bytes === 4) {
      scalar.writeFloatLE(name.endsWith('input_scale') ? 1.8e-3 : 1e-4);
      writeSync(file, scalar);
    } else if (name.endsWith('weight_scale')) {
      for (let row = 0; row < shape[0]; row++) writeSync(file, scaleRow(row, shape[1], noise));
    } else if (name.endsWith('gate.weight')) writeSync(file, new Uint8Array(bytes).fill(0x3c));
    else for (let left = bytes; left > 0; left -= noise.length) writeSync(file, noise, 0, Math.min(left, noise.length));
  }
  closeSync(file);
}
