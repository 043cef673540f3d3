import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decision } from '../../../electron/contract/layer';
import { thresholdVariable } from '../../../electron/contract/layer';
import { type TensorData, writeSafetensors } from '../../../electron/engine/checkpoint/safetensors/write';
import { olderBuildMessage } from '../../../electron/engine/layer/threshold';
import { loadAddon } from '../../../electron/engine/native/load';
import { randomSource } from '../../fixtures/checkpoints/random';
import { makeTiny, shard, type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';
import { cli } from '../../fixtures/cli';
import { distance, readTensorFile, valuesOf } from '../../fixtures/tensor-file';

let folder: TemporaryFolder;
let checkpoint: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  checkpoint = await makeTiny(join(folder.path, 'tiny'), { scales: 'power-of-two' });
});
afterAll(() => folder.dispose());

interface Input {
  tokens?: number;
  hidden?: number;
  topK?: number;
  ids?: (index: number) => number;
  weight?: number;
  /** changes a tensor, or leaves it out */
  change?: (tensor: TensorData) => TensorData | null;
  name?: string;
}

let written = 0;
async function input(options: Input = {}): Promise<string> {
  const {
    tokens = 5,
    hidden = 256,
    topK = 2,
    ids = (index) => index % 8,
    weight = 0.5,
    name = '',
    change = (tensor) => tensor,
  } = options;
  const random = randomSource(tokens);
  const full = (part: string) => (name === '' ? part : `${name}.${part}`);
  // BF16 of about -1 .. 1: sign, exponent 118 to 126, any mantissa.
  const x = Uint16Array.from(
    { length: tokens * hidden },
    () => (random() < 0.5 ? 0x8000 : 0) | ((118 + Math.floor(random() * 9)) << 7) | Math.floor(random() * 128),
  );
  const topkIds = Int32Array.from({ length: tokens * topK }, (_, index) => ids(index));
  const topkWeights = new Float32Array(tokens * topK).fill(weight);
  const tensors: TensorData[] = [
    { name: full('x'), dtype: 'BF16', shape: [tokens, hidden], bytes: new Uint8Array(x.buffer) },
    { name: full('topk_ids'), dtype: 'I32', shape: [tokens, topK], bytes: new Uint8Array(topkIds.buffer) },
    { name: full('topk_weights'), dtype: 'F32', shape: [tokens, topK], bytes: new Uint8Array(topkWeights.buffer) },
  ];
  const path = join(folder.path, `input-${written++}.safetensors`);
  await writeSafetensors(
    path,
    tensors.map(change).filter((tensor): tensor is TensorData => tensor !== null),
  );
  return path;
}

const run = async (from: string, ...options: string[]) => {
  const file = join(folder.path, `output-${written++}.safetensors`);
  return { file, ...(await cli(['run', checkpoint, '--input', from, '--out', file, '--json', ...options])) };
};
const decisionOf = (json: Record<string, unknown> | undefined) =>
  (json as unknown as { batches: { decision: Decision }[] }).batches[0]!.decision;

describe('run', () => {
  it('writes y, and tells the decision chain', async () => {
    const { code, json, file } = await run(await input());
    expect(code).toBe(0);
    const y = (await readTensorFile(file)).get('y')!;
    expect(y).toMatchObject({ dtype: 'BF16', shape: [5, 256] });
    const decision = decisionOf(json);
    expect(decision).toMatchObject({ path: 'b12x', tokens: 5, routedPairs: 10, threshold: 0 });
    expect(decision.steps.length).toBeGreaterThan(1);
  });

  it('taps all: stages by name, rows per (token, slot)', async () => {
    const { file } = await run(await input(), '--taps', 'all', '--threshold', '4');
    const shapes = Object.fromEntries(
      [...(await readTensorFile(file))].map(([name, { dtype, shape }]) => [name, `${dtype} ${shape.join('x')}`]),
    );
    expect(shapes).toEqual({
      y: 'BF16 5x256',
      x_q: 'U8 5x128',
      x_sf: 'F8_E4M3 5x16',
      fc1: 'F32 10x256',
      act: 'F32 10x128',
      act_q: 'U8 10x64',
      act_sf: 'F8_E4M3 10x8',
      fc2: 'F32 10x256',
    });
  });

  it('the reference answers in F64, near cpu', async () => {
    const from = await input({ tokens: 40 });
    const exact = await run(from, '--provider', 'reference', '--threshold', '8');
    const cpu = await run(from, '--provider', 'cpu', '--threshold', '8');
    const [a, b] = await Promise.all([exact, cpu].map(async ({ file }) => (await readTensorFile(file)).get('y')!));
    expect(a!.dtype).toBe('F64');
    // Rounding to bf16 between the stages and the FP4 flips it makes: 0.03 was measured on shapes of this size.
    expect(distance(valuesOf(b!), valuesOf(a!)).relL2).toBeLessThan(0.06);
  });

  it.each([
    ['below the threshold', 5, ['--threshold', '6'], 'b12x'],
    ['at the threshold', 5, ['--threshold', '5'], 'cutlass'],
    ['forced off CUTLASS', 5, ['--threshold', '5', '--path', 'b12x'], 'b12x'],
    ['forced on CUTLASS without a threshold', 5, ['--path', 'cutlass'], 'cutlass'],
  ])('%s', async (_what, tokens, options, path) => {
    const { code, json } = await run(await input({ tokens }), ...options);
    expect(code).toBe(0);
    expect(decisionOf(json).path).toBe(path);
  });

  it('the threshold of the environment counts, an argument beats it', async () => {
    const from = await input();
    const out = join(folder.path, 'env.safetensors');
    const command = ['run', checkpoint, '--input', from, '--out', out, '--json'];
    const fromEnv = await cli(command, { [thresholdVariable]: '5' });
    expect(decisionOf(fromEnv.json).path).toBe('cutlass');
    expect(fromEnv.json?.threshold).toEqual({ tokens: 5, origin: { kind: 'environment', where: thresholdVariable } });
    const beaten = await cli([...command, '--threshold', '0'], { [thresholdVariable]: '5' });
    expect(decisionOf(beaten.json).path).toBe('b12x');
    const garbage = await cli(command, { [thresholdVariable]: 'many' });
    expect(garbage.code).toBe(0);
    expect(garbage.err).toContain(`${thresholdVariable}=many`);
    expect(decisionOf(garbage.json).path).toBe('b12x');
  });

  it('several batches in one file, by name', async () => {
    const [first, second] = await Promise.all([input({ name: 'a', tokens: 2 }), input({ name: 'b', tokens: 7 })]);
    const tensors = await Promise.all([first, second].map((path) => readTensorFile(path)));
    const path = join(folder.path, 'both.safetensors');
    await writeSafetensors(
      path,
      tensors.flatMap((file) => [...file].map(([name, tensor]) => ({ name, ...tensor }))),
    );
    const { json, file } = await run(path, '--threshold', '7');
    const batches = (json as unknown as { batches: { name: string; decision: Decision }[] }).batches;
    expect(batches.map(({ name, decision }) => `${name} ${decision.path}`)).toEqual(['a b12x', 'b cutlass']);
    expect([...(await readTensorFile(file)).keys()]).toEqual(['a.y', 'b.y']);
  });

  it('a sharded checkpoint gives the same bits', async () => {
    const from = await input();
    const whole = await run(from);
    const path = await makeTiny(join(folder.path, 'sharded'), { scales: 'power-of-two' });
    await shard(path, 5);
    const out = join(folder.path, 'sharded.safetensors');
    expect((await cli(['run', path, '--input', from, '--out', out])).code).toBe(0);
    expect((await readTensorFile(out)).get('y')!.bytes.equals((await readTensorFile(whole.file)).get('y')!.bytes)).toBe(
      true,
    );
  });
});

describe('what cannot run here: exit code 4', () => {
  it('a threshold on an older build, with the published message', async () => {
    const older = join(dirname(loadAddon().path), 'providers', 'libmoescope_older_build.so');
    const refused = await run(await input(), '--provider', older, '--threshold', '5');
    expect(refused).toMatchObject({ code: 4, errorCode: 'threshold-unsupported' });
    expect(JSON.parse(refused.out)).toMatchObject({ error: { message: olderBuildMessage } });
    expect((await run(await input(), '--provider', older)).code).toBe(0);
  });

  it('a provider that does not exist', async () => {
    expect(await run(await input(), '--provider', join(folder.path, 'none.so'))).toMatchObject({
      code: 4,
      errorCode: 'provider-load',
    });
  });

  it('cpu has no answer for `ideal`', async () => {
    const refused = await run(await input(), '--contract', 'ideal');
    expect(refused).toMatchObject({ code: 4, errorCode: 'unsupported' });
    expect(refused.out).toMatch(/--provider reference/);
  });
});

describe('bad batches: exit code 3', () => {
  const without = (part: string) => (tensor: TensorData) => (tensor.name === part ? null : tensor);
  it.each<[string, Input, string, RegExp]>([
    ['no topk_ids', { change: without('topk_ids') }, 'missing-tensor', /topk_ids/],
    ['no x', { change: without('x') }, 'missing-tensor', /x in /],
    [
      'x in another dtype',
      { change: (tensor) => (tensor.name === 'x' ? { ...tensor, dtype: 'F16' } : tensor) },
      'wrong-dtype',
      /BF16/,
    ],
    ['x of another width', { hidden: 128 }, 'wrong-shape', /\[5, 128\]|T > 0, 256/],
    ['another top-k', { topK: 3 }, 'wrong-shape', /topk_ids/],
    ['no tokens', { tokens: 0 }, 'wrong-shape', /T > 0/],
    ['an expert that is not there', { ids: (index) => (index === 3 ? 8 : 0) }, 'bad-routing', /token 1, slot 1/],
    ['a negative expert', { ids: (index) => (index === 0 ? -1 : 0) }, 'bad-routing', /-1/],
    ['a weight that is not finite', { weight: Number.NaN }, 'bad-routing', /NaN/],
  ])('%s', async (_what, options, code, names) => {
    const refused = await run(await input(options));
    expect(refused).toMatchObject({ code: 3, errorCode: code });
    expect(refused.out).toMatch(names);
  });

  it('an input that is no safetensors file', async () => {
    const path = join(folder.path, 'garbage');
    await writeFile(path, 'this is text, not tensors');
    expect(await run(path)).toMatchObject({ code: 3, errorCode: 'bad-header' });
  });

  it('an output in a folder that does not exist', async () => {
    const refused = await cli([
      'run',
      checkpoint,
      '--input',
      await input(),
      '--out',
      join(folder.path, 'no', 'y.safetensors'),
      '--json',
    ]);
    expect(refused).toMatchObject({ code: 3, errorCode: 'file-not-found' });
    expect(refused.out).toMatch(/the folder .* does not exist/);
    expect(refused.err).not.toMatch(/loading/);
  });

  it('an output that is a folder', async () => {
    const refused = await cli(['run', checkpoint, '--input', await input(), '--out', folder.path, '--json']);
    expect(refused).toMatchObject({ code: 3, errorCode: 'file-unreadable' });
  });
});

it('nothing that is read is overwritten', async () => {
  const given = await input();
  const before = await readFile(given);
  for (const out of [given, join(checkpoint, 'model.safetensors')]) {
    const refused = await cli(['run', checkpoint, '--input', given, '--out', out, '--json']);
    expect(refused).toMatchObject({ code: 2, errorCode: 'bad-option' });
  }
  expect((await readFile(given)).equals(before)).toBe(true);
  const weights = join(checkpoint, 'model.safetensors');
  expect(await cli(['prepare', checkpoint, '--out', weights, '--json'])).toMatchObject({ code: 2 });
});

it('an x that is not finite is run, with a warning', async () => {
  const change = (tensor: TensorData) => {
    if (tensor.name !== 'x') return tensor;
    const bytes = Uint8Array.from(tensor.bytes);
    // Token 1: BF16 infinity and NaN, little-endian.
    bytes.set([0x80, 0x7f, 0xc0, 0xff], (tensor.shape[1] ?? 0) * 2);
    return { ...tensor, bytes };
  };
  const { code, err } = await run(await input({ change }));
  expect({ code, warned: /x holds 2 values that are not finite \(first in token 1\)/.test(err) }).toEqual({
    code: 0,
    warned: true,
  });
});

describe('usage: exit code 2', () => {
  it.each([
    ['no command', [], /A command is missing/],
    ['help for an unknown command', ['help', 'inspekt'], /unknown command 'inspekt'/],
    ['a tap without a name', ['run', 'x', '--input', 'a', '--out', 'b', '--taps', 'fc1,'], /no name/],
    ['rows that are no number', ['replay', 'x', '--rows', 'all'], /whole number/],
    ['an unknown command', ['inspekt'], /Did you mean inspect/],
    ['an unknown option', ['inspect', 'x', '--layr', '1'], /Did you mean --layer/],
    ['a missing option', ['run', 'x', '--out', 'y'], /--input/],
    ['a missing argument', ['inspect'], /checkpoint/],
    ['a contract that does not exist', ['verify', 'x', '--contract', 'dirty'], /unit-alpha/],
    ['a threshold that is no number', ['verify', 'x', '--threshold', 'many'], /whole number/],
    ['a negative threshold', ['verify', 'x', '--threshold=-1'], /whole number/],
    ['a tap that does not exist', ['run', 'x', '--input', 'a', '--out', 'b', '--taps', 'fc3'], /fc3/],
    [
      'a path for an answer that has none',
      [
        'run',
        '$checkpoint',
        '--input',
        '$input',
        '--out',
        '$out',
        '--provider',
        'reference',
        '--contract',
        'ideal',
        '--path',
        'b12x',
      ],
      /--path/,
    ],
    [
      'a rule file that does not exist',
      ['run', '$checkpoint', '--input', '$input', '--out', '$out', '--rules', 'mine'],
      /flashinfer/,
    ],
  ])('%s', async (_what, args, words) => {
    const places: Record<string, string> = {
      $checkpoint: checkpoint,
      $input: await input(),
      $out: join(folder.path, 'never'),
    };
    const filled = args.map((arg) => places[arg] ?? arg);
    const asText = await cli(filled);
    expect(asText.code).toBe(2);
    expect(asText.err).toMatch(words);
    const asJson = await cli([...filled, '--json']);
    expect(asJson.code).toBe(2);
    expect(JSON.stringify(asJson.json)).toMatch(/"code":"(usage|bad-option)"/);
  });

  it('help and version are no errors', async () => {
    expect((await cli(['--help'])).code).toBe(0);
    expect((await cli(['run', '--help'])).out).toContain('--input <file>');
    // A default that is no JSON (the seed's BigInt was) ends the help of its command.
    const listed = (await cli(['--help'])).out.match(/^ {2}[a-z-]+(?= \[options\])/gm) ?? [];
    expect(listed.length).toBeGreaterThanOrEqual(13);
    for (const name of listed.map((text) => text.trim())) {
      const help = await cli([name, '--help']);
      expect([name, help.code, help.err]).toEqual([name, 0, '']);
    }
    expect((await cli(['--version'])).out).toMatch(/^\d+\.\d+\.\d+/);
  });
});

it('doctor knows the providers, the rule files and what was never run', async () => {
  const { code, json } = await cli(['doctor', '--json']);
  expect(code).toBe(0);
  const report = json as unknown as {
    providers: { name: string; capabilities?: { cutlassPrefillThreshold: boolean } }[];
    ruleFiles: { id: string }[];
    neverRun: string[];
  };
  const hybrid = report.providers.map(({ name, capabilities }) => [name, capabilities?.cutlassPrefillThreshold]);
  // The cuda provider is built where nvcc is; cuda.test.ts says what is told otherwise.
  expect(hybrid.filter(([name]) => name !== 'cuda')).toEqual([
    ['reference', true],
    ['cpu', true],
    [expect.stringContaining('older_build'), false],
  ]);
  expect(report.providers.map(({ name }) => name)).toContain('cuda');
  expect(report.ruleFiles.map(({ id }) => id)).toEqual(['flashinfer-2026-08-22', 'flashinfer-4718']);
  expect(report.neverRun.join(' ')).toMatch(/RTX Blackwell/);
});

it('a cancelled command ends with its code', async () => {
  const controller = new AbortController();
  controller.abort();
  expect(await cli(['verify', checkpoint, '--json'], {}, controller.signal)).toMatchObject({
    code: 5,
    errorCode: 'cancelled',
  });
});
