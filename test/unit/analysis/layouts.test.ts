/** "Try every layout" from the terminal, on the experts of made and of really exported checkpoints. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LayoutSearch } from '../../../electron/contract/layouts';
import { type TensorData, writeSafetensors } from '../../../electron/engine/checkpoint/safetensors/write';
import { checkpointPath, haveShared } from '../../fixtures/checkpoints/shared';
import { makeTiny, readTensors, type TemporaryFolder, temporaryFolder, weights } from '../../fixtures/checkpoints/tiny';
import { cli } from '../../fixtures/cli';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

/** FC1 of a layer's experts: codes [E, N, K/2], block scales [E, N, K/16] linear, rows [up, gate] or up alone. */
interface Stack {
  planes: number;
  rows: number;
  columns: number;
  codes: Uint8Array;
  scales: Uint8Array;
}

async function stacked(checkpoint: string, names: readonly string[], module: string): Promise<Stack> {
  const tensors = new Map((await readTensors(join(checkpoint, weights))).map((tensor) => [tensor.name, tensor]));
  const find = (expert: number, projection: string, part: string[]) => {
    const found = part
      .map((suffix) => tensors.get(`${module}.experts.${expert}.${projection}.${suffix}`))
      .find((tensor) => tensor);
    if (!found) throw new Error(`no ${part} of expert ${expert}, ${projection} in ${checkpoint}`);
    return found;
  };
  const codes: Uint8Array[] = [];
  const scales: Uint8Array[] = [];
  let rows = 0;
  let columns = 0;
  for (let expert = 0; expert < 8; expert++) {
    rows = 0;
    for (const name of names) {
      const scale = find(expert, name, ['weight_scale']);
      codes.push(find(expert, name, ['weight', 'weight_packed']).bytes);
      scales.push(scale.bytes);
      rows += scale.shape[0]!;
      columns = scale.shape[1]!;
    }
  }
  return { planes: 8, rows, columns, codes: Buffer.concat(codes), scales: Buffer.concat(scales) };
}

/** Byte place of (plane, row, column) by the definitions of the domain notes (nvfp4-moe 2), written again here. */
const places: Record<string, (s: Stack, e: number, r: number, c: number) => number> = {
  linear: ({ rows, columns }, e, r, c) => (e * rows + r) * columns + c,
  transposed: ({ rows, columns }, e, r, c) => (e * columns + c) * rows + r,
  sf128x4: ({ rows, columns }, e, r, c) => {
    const kT = Math.ceil(columns / 4);
    return (
      e * Math.ceil(rows / 128) * kT * 512 +
      Math.floor(r / 128) * kT * 512 +
      Math.floor(c / 4) * 512 +
      (r % 32) * 16 +
      Math.floor((r % 128) / 32) * 4 +
      (c % 4)
    );
  },
  sf8x4: ({ rows, columns }, e, r, c) => {
    const kT = Math.ceil(columns / 4);
    return (
      e * Math.ceil(rows / 8) * kT * 32 + Math.floor(r / 8) * kT * 32 + Math.floor(c / 4) * 32 + (r % 8) * 4 + (c % 4)
    );
  },
  mma6d: ({ planes, rows, columns }, e, r, c) => {
    const mT = Math.ceil(rows / 128);
    const kT = Math.ceil(columns / 4);
    return (
      (((((r % 32) * 4 + Math.floor((r % 128) / 32)) * mT + Math.floor(r / 128)) * 4 + (c % 4)) * kT +
        Math.floor(c / 4)) *
        planes +
      e
    );
  },
};

const otherHalf = (row: number, rows: number) => (row < rows / 2 ? row + rows / 2 : row - rows / 2);

function reordered(stack: Stack, order: string, swap: boolean): Uint8Array {
  const { planes, rows, columns, scales } = stack;
  const at = places[order]!;
  const out = new Uint8Array(scales.length); // rows are multiples of 128 and columns of 4 here: nothing is padded
  for (let e = 0; e < planes; e++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++)
        out[at(stack, e, swap ? otherHalf(r, rows) : r, c)] = scales[(e * rows + r) * columns + c]!;
  return out;
}

const e2m1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

/** code * SF as F32 [E, N, K]: the global scale is left out, which the search must not need. */
function dequantized({ planes, rows, columns, codes, scales }: Stack): Uint8Array {
  const e4m3 = (code: number) =>
    (code & 0x78) === 0 ? (code & 7) * 2 ** -9 : (1 + (code & 7) / 8) * 2 ** ((code >> 3) - 7);
  const out = new Float32Array(planes * rows * columns * 16);
  for (let at = 0; at < out.length; at++) {
    const code = (codes[at >> 1]! >> (at % 2 === 0 ? 0 : 4)) & 15;
    out[at] = (code & 8 ? -1 : 1) * e2m1[code & 7]! * e4m3(scales[at >> 4]!);
  }
  return new Uint8Array(out.buffer);
}

async function write(name: string, stack: Stack, scale: Uint8Array, packed = stack.codes): Promise<string> {
  const { planes, rows, columns } = stack;
  const path = join(folder.path, `${name}.safetensors`);
  const tensors: TensorData[] = [
    { name: 'w13_weight', dtype: 'U8', shape: [planes, rows, columns * 8], bytes: packed },
    { name: 'w13_weight_scale', dtype: 'F8_E4M3', shape: [scale.length], bytes: scale },
    { name: 'reference', dtype: 'F32', shape: [planes, rows, columns * 16], bytes: dequantized(stack) },
  ];
  await writeSafetensors(path, tensors);
  return path;
}

async function searched(path: string, ...options: string[]): Promise<LayoutSearch & { code: number }> {
  const { json, code, err } = await cli(['layout', path, '--tensor', 'w13_weight_scale', '--json', ...options]);
  if (!json || 'error' in json) throw new Error(`${JSON.stringify(json)}\n${err}`);
  return { ...(json as unknown as LayoutSearch), code };
}

const swapNibbles = (bytes: Uint8Array) => bytes.map((byte) => ((byte & 15) << 4) | (byte >> 4));

function suite(title: string, stack: () => Stack, gated: boolean) {
  describe(title, () => {
    for (const order of Object.keys(places))
      it(`${order}, as it is and with the halves swapped`, async () => {
        for (const swap of gated ? [false, true] : [false]) {
          const path = await write(
            `${title}-${order}-${swap}`.replace(/\W/g, '-'),
            stack(),
            reordered(stack(), order, swap),
          );
          const found = await searched(path, ...(gated ? ['--gated'] : []));
          expect(found).toMatchObject({ code: 0, verdict: 'certain', evidence: 'weights', explained: true });
          expect(found.candidates[0]).toMatchObject({
            order,
            halves: swap ? 'scales-swapped' : 'as-said',
            padded: false,
          });
          expect(found.candidates[0]!.coupling).toBeLessThan(-0.3);
          expect(found.undecided.map(({ question }) => question)).toContain('nibble order of the weights');

          const turned = await write('turned', stack(), reordered(stack(), order, swap), swapNibbles(stack().codes));
          const exact = await searched(turned, ...(gated ? ['--gated'] : []), '--reference', turned);
          expect(exact).toMatchObject({ code: 0, verdict: 'certain', evidence: 'reference-weights', undecided: [] });
          expect(exact.candidates[0]).toMatchObject({
            order,
            halves: swap ? 'scales-swapped' : 'as-said',
            nibbles: 'high-first',
          });
          expect(exact.candidates[0]!.nrmse).toBeLessThan(1e-3);
        }
      });
  });
}

let made: Stack;
let exported: Stack;
let nemotron: Stack;
beforeAll(async () => {
  const path = await makeTiny(join(folder.path, 'made'));

  made = await stacked(path, ['up_proj', 'gate_proj'], 'model.layers.0.mlp');
  if (!haveShared) return;
  exported = await stacked(checkpointPath('ct-qwen3moe-tiny'), ['up_proj', 'gate_proj'], 'model.layers.0.mlp');
  nemotron = await stacked(checkpointPath('modelopt-nemotronh-tiny'), ['up_proj'], 'backbone.layers.0.mixer');
});

suite('made by make-checkpoint', () => made, true);
describe.runIf(haveShared)('exported', () => {
  suite('compressed-tensors, gated', () => exported, true);
  suite('ModelOpt, relu2', () => nemotron, false);
});

describe('what cannot be decided', () => {
  it('is said, with exit code 1', async () => {
    const path = await write('alone', made, made.scales);
    const shape = `8,${made.rows},${made.columns}`;
    const other = await writeScalesOnly(path, made);
    const found = await searched(other, '--shape', shape);
    expect(found).toMatchObject({ code: 1, verdict: 'undecided', evidence: 'structure', explained: false });
    expect(found.confidence).toBeLessThanOrEqual(0.5);
    expect(found.undecided[0]!.question).toBe('the order itself');
  });

  it('and what does not fit is an error that names it', async () => {
    const path = await write('errors', made, made.scales);
    const failing = async (...options: string[]) => (await cli(['layout', path, '--json', ...options])).errorCode;
    expect(await failing('--tensor', 'nothing')).toBe('missing-tensor');
    expect(await failing('--tensor', 'reference')).toBe('usage');
    expect(await failing('--tensor', 'w13_weight_scale', '--shape', '8,100,16')).toBe('wrong-shape');
    expect(await failing('--tensor', 'w13_weight_scale', '--reference-input', 'x')).toBe('usage');
    expect(await failing('--tensor', 'w13_weight_scale', '--reference', join(folder.path, 'none.safetensors'))).toBe(
      'file-not-found',
    );
  });
});

async function writeScalesOnly(path: string, stack: Stack): Promise<string> {
  const alone = path.replace('.safetensors', '-scales.safetensors');
  await writeSafetensors(alone, [
    { name: 'w13_weight_scale', dtype: 'F8_E4M3', shape: [8, stack.rows, stack.columns], bytes: stack.scales },
  ]);
  return alone;
}
