/** Done-when 5: `prepare` is byte for byte what the contract says, on every checkpoint and contract. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeRandomCheckpoint } from '../../fixtures/checkpoints/random';
import { checkpointPath, haveShared, type SharedName, sharedNames } from '../../fixtures/checkpoints/shared';
import { makeTiny, type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';
import { cli } from '../../fixtures/cli';
import { readTensorFile } from '../../fixtures/tensor-file';
import { type ContractRequest, type ExpectedTensor, expectedParameters, nearestE4m3, swizzle } from './contract-tables';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

const contracts = ['unit-alpha', 'activation-alpha', 'clean'] as const;
const thresholds = [0, 128];
type Layer = Pick<ContractRequest, 'prefix' | 'experts' | 'gated'>;

let written = 0;
async function prepare(path: string, options: string[]) {
  const out = join(folder.path, `prepared-${written++}.safetensors`);
  const { code, err, json } = await cli(['prepare', path, '--out', out, '--json', ...options]);
  expect({ code, problem: code === 0 ? '' : err + JSON.stringify(json) }).toEqual({ code: 0, problem: '' });
  return readTensorFile(out);
}

function expectSame(actual: ReadonlyMap<string, ExpectedTensor>, expected: ReadonlyMap<string, ExpectedTensor>) {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, { dtype, shape, bytes }] of expected) {
    const tensor = actual.get(name)!;
    expect({ name, dtype: tensor.dtype, shape: tensor.shape }).toEqual({ name, dtype, shape });
    const first = bytes.findIndex((byte, i) => byte !== tensor.bytes[i]);
    expect({ name, length: tensor.bytes.length, firstDifferingByte: first }).toEqual({
      name,
      length: bytes.length,
      firstDifferingByte: -1,
    });
  }
}

async function compare(
  path: string,
  layer: Layer,
  options: { contract: (typeof contracts)[number]; threshold: number; merge?: 'max' | 'column-0' },
) {
  const { contract, threshold, merge = 'max' } = options;
  const actual = await prepare(path, ['--contract', contract, '--threshold', String(threshold), '--merge', merge]);
  const tensors = await readTensorFile(join(path, 'model.safetensors'));
  expectSame(actual, expectedParameters({ tensors, ...layer, contract, threshold, merge }));
}

const qwen: Layer = { prefix: 'model.layers.0.mlp.experts', experts: 8, gated: true };
const layers: Record<SharedName, Layer> = {
  'modelopt-qwen3moe-tiny': qwen,
  'ct-qwen3moe-tiny': qwen,
  'modelopt-nemotronh-tiny': { prefix: 'backbone.layers.0.mixer.experts', experts: 8, gated: false },
  'modelopt-qwen3moe-w4a16-tiny': qwen,
};

describe.runIf(haveShared)('checkpoints of the real exporters', () => {
  const cases = sharedNames
    .flatMap((name) => contracts.flatMap((contract) => thresholds.map((threshold) => ({ name, contract, threshold }))))
    .map((wanted) => ({
      ...wanted,
      refused: wanted.name.includes('w4a16') && (wanted.threshold > 0 || wanted.contract === 'clean'),
    }));

  it.each(cases.filter(({ refused }) => !refused))('$name, $contract, threshold $threshold', ({ name, ...options }) =>
    compare(checkpointPath(name), layers[name], options),
  );

  it.each(cases.filter(({ refused }) => refused))(
    '$name, $contract, threshold $threshold cannot be prepared: exit code 4',
    async ({ name, contract, threshold }) => {
      const { code, errorCode } = await cli([
        'prepare',
        checkpointPath(name),
        '--out',
        join(folder.path, 'no'),
        '--contract',
        contract,
        '--threshold',
        String(threshold),
        '--json',
      ]);
      expect({ code, error: errorCode }).toEqual({ code: 4, error: 'unsupported' });
    },
  );
});

describe('checkpoints that make-checkpoint wrote', () => {
  it.each([
    ['tiny', 'realistic'],
    ['tiny', 'power-of-two'],
    ['tiny-nemotron', 'realistic'],
  ] as const)('%s, %s', async (shape, scales) => {
    const path = await makeTiny(join(folder.path, `${shape}-${scales}`), { shape, scales });
    const layer = shape === 'tiny' ? qwen : layers['modelopt-nemotronh-tiny'];
    for (const contract of contracts) await compare(path, layer, { contract, threshold: 64 });
  });
});

describe('random bytes', () => {
  const shape = { experts: 3, topK: 2, seed: 5 };
  it.each([
    [
      'padded rows and columns',
      { ...shape, hidden: 176, intermediate: 80, gated: true, format: 'modelopt', sameGateUp: true },
    ],
    ['not gated', { ...shape, hidden: 80, intermediate: 208, gated: false, format: 'modelopt', sameGateUp: true }],
    [
      'large scales',
      { ...shape, hidden: 128, intermediate: 144, gated: true, format: 'compressed-tensors', sameGateUp: true },
    ],
    [
      'gate and up with their own global scales',
      { ...shape, hidden: 192, intermediate: 96, gated: true, format: 'modelopt', sameGateUp: false },
    ],
    [
      'large scales, gate and up with their own',
      { ...shape, hidden: 64, intermediate: 32, gated: true, format: 'compressed-tensors', sameGateUp: false },
    ],
  ] as const)('%s', async (what, random) => {
    const path = await writeRandomCheckpoint(join(folder.path, what), random);
    const layer = { prefix: qwen.prefix, experts: random.experts, gated: random.gated };
    for (const contract of contracts) {
      for (const merge of ['max', 'column-0'] as const) await compare(path, layer, { contract, threshold: 1, merge });
    }
  });
});

describe('--rearrange', () => {
  const permutation = [3, 0, 7, 5, 1, 2, 6, 4];

  it('moves row permutation[p] of every parameter to row p', async () => {
    const path = await makeTiny(join(folder.path, 'eplb'));
    const before = await prepare(path, ['--threshold', '128']);
    const after = await prepare(path, ['--threshold', '128', '--rearrange', permutation.join(',')]);
    const expected = new Map(
      [...before].map(([name, tensor]) => {
        const size = tensor.bytes.length / 8;
        const rows = permutation.map((old) => tensor.bytes.subarray(old * size, (old + 1) * size));
        return [name, { ...tensor, bytes: Buffer.concat(rows) }] as const;
      }),
    );
    expectSame(after, expected);
  });

  it.each([
    ['twice the same expert', '0,0,2,3,4,5,6,7', 3, 'bad-permutation'],
    ['too short', '0,1,2', 3, 'bad-permutation'],
    ['out of range', '0,1,2,3,4,5,6,8', 3, 'bad-permutation'],
    ['a file that does not exist', 'nowhere.json', 3, 'file-not-found'],
    ['negative', '0,1,2,3,4,5,6,-7', 3, 'file-not-found'],
  ])('%s', async (_what, given, exit, error) => {
    const path = await makeTiny(join(folder.path, `bad-${written++}`));
    const { code, errorCode } = await cli([
      'prepare',
      path,
      '--out',
      join(folder.path, 'no'),
      '--rearrange',
      given,
      '--json',
    ]);
    expect({ code, error: errorCode }).toEqual({ code: exit, error });
  });
});

describe('the tables this suite compares with', () => {
  it.each([
    [0, 0],
    [2 ** -10, 0],
    [2 ** -10 * 1.0001, 1],
    [17, 0x58],
    [19, 0x5a],
    [448, 0x7e],
    [1e9, 0x7e],
  ])('E4M3 of %d', (value, code) => {
    expect(nearestE4m3(value)).toBe(code);
  });

  it.each([
    [0, 0, 0],
    [1, 0, 16],
    [32, 0, 4],
    [33, 5, 533],
    [127, 3, 511],
    [128, 0, 1024],
  ])('place of row %d, column %d', (row, column, offset) => {
    const linear = new Uint8Array(256 * 8);
    linear[row * 8 + column] = 1;
    expect(swizzle(linear, 256, 8).indexOf(1)).toBe(offset);
  });
});
