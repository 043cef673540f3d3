import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../electron/engine/checkpoint/safetensors/write';
import { loadBinding } from '../../../electron/engine/native/load';
import { cli } from '../../fixtures/cli';
import { makeTinyCheckpoint } from '../../fixtures/sessions/tiny-checkpoint';
import { readTensorFile } from '../../fixtures/tensor-file';
import { record, type Workplace, workplace } from '../session/recording';

interface Explanation {
  stages: {
    stage: string;
    reason: string;
    comparison: { nrmse: number; codes?: { differingScales: number } } | null;
  }[];
  first_diverging: string | null;
  causes: { id: string; share: number; interval: [number, number]; fault: boolean }[];
  interaction: number;
  rest: number;
  total: { energy: number; nrmse: number };
  diagnosis: Record<'a' | 'b', { deviations: { cause: string; site: number }[] } | null>;
}

let place: Workplace;
let session: string;
let input: string;
beforeAll(async () => {
  place = await workplace();
  session = join(place.folder, 'taps.moesession');
  await record(place.checkpoint, session, [8, 64], { taps: true, weights: true });
  input = join(place.folder, 'input.safetensors');
  const tokens = 8;
  const bits = await loadBinding().randomNormalBf16(tokens * 256, 5n, 1);
  const bytes = (array: Uint16Array | Int32Array | Float32Array) => Buffer.from(array.buffer);
  await writeSafetensors(input, [
    { name: 'x', dtype: 'BF16', shape: [tokens, 256], bytes: bytes(bits) },
    {
      name: 'topk_ids',
      dtype: 'I32',
      shape: [tokens, 2],
      bytes: bytes(Int32Array.from({ length: 16 }, (_, i) => i % 8)),
    },
    { name: 'topk_weights', dtype: 'F32', shape: [tokens, 2], bytes: bytes(new Float32Array(16).fill(0.5)) },
  ]);
});
afterAll(() => place.remove());

async function explained(...args: string[]): Promise<Explanation> {
  const { code, json, err } = await cli(['diff', ...args, '--explain', '--json']);
  expect(err.includes('error'), err).toBe(false);
  expect(code).toBe(0);
  return json as unknown as Explanation;
}

function expectWhole({ causes, interaction, rest }: Explanation): void {
  expect(causes.reduce((sum, { share }) => sum + share, 0) + interaction + rest).toBeCloseTo(1, 9);
}

describe('diff --explain', () => {
  it('of the two paths of a recorded batch names what the contract does to the scales', async () => {
    const found = await explained(session, session, '--batch', '0', '--path-a', 'b12x', '--path-b', 'cutlass');
    expectWhole(found);
    expect(found.stages.map(({ stage }) => stage)).toEqual([
      'input',
      'fc1',
      'activation',
      'requantized',
      'fc2',
      'output',
    ]);
    expect(found.stages.every(({ comparison }) => comparison !== null)).toBe(true);
    expect(found.first_diverging).toBe('input');
    expect(found.total.nrmse).toBeCloseTo(found.stages[5]!.comparison!.nrmse, 6);
    // What unit-alpha does to the scales is the whole of it: the model of the cpu provider is exact, and nothing is at fault.
    expect(found.rest).toBeCloseTo(0, 9);
    expect(found.causes.filter(({ fault }) => fault)).toEqual([]);
    expect(['unit-activation-scale', 'sf-rerounding', 'sf-underflow']).toContain(found.causes[0]!.id);
    for (const { share, interval } of found.causes) {
      expect(interval[0]).toBeLessThanOrEqual(share + 1e-9);
      expect(interval[1]).toBeGreaterThanOrEqual(share - 1e-9);
    }
  });

  it('of a session and its re-run has nothing to explain', async () => {
    const found = await explained(session, '--rerun', '--batch', '1');
    expect(found).toMatchObject({ first_diverging: null, causes: [], interaction: 0, rest: 0, total: { energy: 0 } });
  });

  it('of two output files takes the checkpoint and the input', async () => {
    const outputs: string[] = [];
    for (const path of ['b12x', 'cutlass']) {
      const out = join(place.folder, `${path}.safetensors`);
      const run = await cli([
        'run',
        place.checkpoint,
        '--input',
        input,
        '--out',
        out,
        '--path',
        path,
        '--threshold',
        '64',
        '--taps',
        'all',
        '--json',
      ]);
      expect(run.code, run.err).toBe(0);
      outputs.push(out);
    }
    const found = await explained(...outputs, '--checkpoint', place.checkpoint, '--input', input);
    expectWhole(found);
    expect(found.stages[0]!.comparison!.codes!.differingScales).toBeGreaterThan(0);
    const y = await readTensorFile(outputs[0]!);
    expect(y.has('y')).toBe(true);
    const text = await cli(['diff', ...outputs, '--explain', '--checkpoint', place.checkpoint, '--input', input]);
    expect(text.out).toMatch(/first diverging stage: input/);
    expect(text.out).toMatch(/interaction -?[\d.]+ %, rest -?[\d.]+ %/);
  });

  it('diagnoses both sides, and the reference of a recording is a side', async () => {
    const pair = await explained(session, session, '--batch', '0', '--path-a', 'b12x', '--path-b', 'reference');
    expectWhole(pair);
    expect(pair.diagnosis).toMatchObject({ a: { deviations: [] }, b: null });
    const ids = pair.causes.map(({ id }) => id);
    expect(ids).toContain('bf16-between-stages');
    // The reference has the scales of b12x under the same contract.
    expect(ids).not.toContain('sf-underflow');
    expect(ids).not.toContain('unit-activation-scale');
    const rerun = await explained(session, '--rerun', '--batch', '0', '--path-a', 'b12x', '--path-b', 'reference');
    expect(rerun.total).toEqual(pair.total);
    const both = await explained(session, session, '--batch', '0', '--path-a', 'b12x', '--path-b', 'cutlass');
    expect(both.diagnosis).toMatchObject({ a: { deviations: [] }, b: { deviations: [] } });
  });

  describe('of output files under contracts of their own', () => {
    const files: Record<string, string> = {};
    const run = async (name: string, ...args: string[]) => {
      const out = join(place.folder, `${name}.safetensors`);
      const what = ['run', place.checkpoint, '--input', input, '--out', out, '--taps', 'all', '--json'];
      const made = await cli([...what, ...args]);
      expect(made.code, made.err).toBe(0);
      files[name] = out;
    };
    const layer = () => ['--checkpoint', place.checkpoint, '--input', input];
    beforeAll(async () => {
      await run('unit-alpha', '--path', 'b12x', '--contract', 'unit-alpha');
      await run('clean', '--path', 'b12x', '--contract', 'clean');
      for (const contract of ['ideal', 'ideal-per-expert', 'weights-only'])
        await run(contract, '--provider', 'reference', '--contract', contract);
    });
    const diff = (a: string, b: string, ...args: string[]) => explained(files[a]!, files[b]!, ...layer(), ...args);

    it('names the steps in which the contracts differ, and nothing else', async () => {
      const contracts = ['--contract-a', 'unit-alpha', '--contract-b', 'clean'];
      const found = await diff('unit-alpha', 'clean', ...contracts, '--path-b', 'b12x');
      expectWhole(found);
      expect(found.causes.map(({ id }) => id).sort()).toEqual([
        'sf-rerounding',
        'sf-underflow',
        'unit-activation-scale',
      ]);
      // The model of both is exact, so nothing is left, and neither side is at fault.
      expect(found.rest).toBe(0);
      expect(found.diagnosis).toMatchObject({ a: { deviations: [] }, b: { deviations: [] } });
    });

    it('takes ideal as a side: what is left is the rounding of y', async () => {
      const found = await diff('unit-alpha', 'ideal', '--contract-b', 'ideal');
      expectWhole(found);
      expect(found.total.nrmse).toBeCloseTo(found.stages[5]!.comparison!.nrmse, 6);
      expect(found.causes.map(({ id }) => id)).toEqual(
        expect.arrayContaining(['unit-activation-scale', 'bf16-between-stages']),
      );
      expect(found.diagnosis.b).toBeNull();
      // y itself is rounded to bf16, at most 2^-8 / sqrt(3) of its size.
      expect(Math.sqrt(found.rest) * found.total.nrmse).toBeLessThan(0.0023);
      const text = await cli([
        'diff',
        files['unit-alpha']!,
        files.ideal!,
        '--explain',
        ...layer(),
        '--contract-b',
        'ideal',
      ]);
      expect(text.out).toMatch(/B: .*ideal\.safetensors, reference, ideal/);
      expect(text.out).toMatch(/A follows its documented pipeline: no fault was named/);
    });

    it.each([
      ['ideal-per-expert', /one for all experts/],
      ['weights-only', /does not quantize activations/],
    ])('says why %s has no causes', async (contract, reason) => {
      const args = [
        'diff',
        files.clean!,
        files[contract]!,
        '--explain',
        ...layer(),
        '--contract-b',
        contract,
        '--json',
      ];
      const { errorCode, json } = await cli(args);
      expect(errorCode).toBe('unsupported');
      expect((json!.error as { message: string }).message).toMatch(reason);
    });

    it.each([
      ['a path for an answer of the reference', ['--contract-b', 'ideal', '--path-b', 'cutlass']],
      ['a file that is not what the option says', ['--path-b', 'b12x']],
      ['the reference for a file in bf16', ['--path-a', 'reference', '--contract-b', 'ideal']],
    ])('refuses %s', async (_, args) => {
      const all = ['diff', files.clean!, files.ideal!, '--explain', ...layer(), ...args, '--json'];
      expect((await cli(all)).errorCode).toBe('bad-option');
    });
  });

  it('refuses two sessions of different layers, and a contract for a session', async () => {
    const elsewhere = await workplace();
    try {
      const other = join(elsewhere.folder, 'other.moesession');
      const more = await makeTinyCheckpoint(loadBinding(), join(elsewhere.folder, 'other'), { seed: 9 });
      await record(more, other, [8, 64], { taps: true, weights: true });
      expect((await cli(['diff', session, other, '--explain', '--json'])).errorCode).toBe('bad-config');
    } finally {
      await elsewhere.remove();
    }
    const contract = ['diff', session, session, '--explain', '--contract-b', 'clean', '--json'];
    expect((await cli(contract)).errorCode).toBe('bad-option');
  });

  it('refuses what it cannot compare, in one message', async () => {
    expect((await cli(['diff', session, '--explain', '--json'])).errorCode).toBe('usage');
    expect((await cli(['diff', session, input, '--explain', '--json'])).errorCode).toBe('usage');
    expect((await cli(['diff', input, input, '--explain', '--json'])).errorCode).toBe('usage');
    expect((await cli(['diff', session, session, '--explain', '--batch', '7', '--json'])).errorCode).toBe('usage');
    expect((await cli(['diff', session, session, '--explain', '--batch', 'x', '--json'])).errorCode).toBe('bad-option');
    const noOutput = await cli([
      'diff',
      input,
      input,
      '--explain',
      '--checkpoint',
      place.checkpoint,
      '--input',
      input,
      '--json',
    ]);
    expect(noOutput.errorCode).toBe('missing-tensor');
    expect((await cli(['diff', join(place.folder, 'none'), session, '--explain', '--json'])).errorCode).toBe(
      'file-not-found',
    );
  });
});
