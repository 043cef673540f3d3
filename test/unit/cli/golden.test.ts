/** Done-when 3: `run --provider reference` against the goldens of the real exporters' checkpoints, and cpu's CUTLASS path. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  checkpointPath,
  goldenPath,
  haveShared,
  type SharedName,
  sharedNames,
} from '../../fixtures/checkpoints/shared';
import { type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';
import { cli } from '../../fixtures/cli';
import { distance, type FileTensor, readTensorFile, valuesOf } from '../../fixtures/tensor-file';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

const sets = ['T1', 'T7', 'T64', 'edge'];
const quantizing = sharedNames.filter((name) => !name.includes('w4a16'));

async function run(name: SharedName, options: string[]): Promise<Map<string, FileTensor>> {
  const out = join(folder.path, `${name}-${options.join('-').replace(/[^\w-]/g, '')}.safetensors`);
  const {
    code,
    err,
    out: printed,
  } = await cli(['run', checkpointPath(name), '--input', goldenPath(name), '--out', out, ...options]);
  expect({ code, err: code === 0 ? '' : err + printed }).toEqual({ code: 0, err: '' });
  return readTensorFile(out);
}

describe.runIf(haveShared)('reference', () => {
  const contracts = [
    ['ideal', 'out_w4a4_shared'],
    ['ideal-per-expert', 'out_w4a4'],
    ['weights-only', 'out_w4a16'],
  ] as const;

  it.each(
    sharedNames.flatMap((name) =>
      contracts
        .filter(([contract]) => contract === 'weights-only' || quantizing.includes(name))
        .map(([contract, golden]) => [name, contract, golden] as const),
    ),
  )('%s, %s equals %s', async (name, contract, golden) => {
    const answers = await run(name, ['--provider', 'reference', '--contract', contract]);
    const goldens = await readTensorFile(goldenPath(name));
    for (const set of sets) {
      const y = answers.get(`${set}.y`)!;
      expect(y.dtype).toBe('F64');
      expect({ set, relL2: distance(valuesOf(y), valuesOf(goldens.get(`${set}.${golden}`)!)).relL2 }).toSatisfy(
        ({ relL2 }: { relL2: number }) => relL2 <= 1e-6,
      );
    }
  });

  it.each(quantizing)('%s: quantized input equals the golden outside near ties', async (name) => {
    const answers = await run(name, ['--provider', 'reference', '--contract', 'ideal', '--taps', 'x_q,x_sf']);
    const goldens = await readTensorFile(goldenPath(name));
    for (const set of sets) {
      const sf = answers.get(`${set}.x_sf`)!.bytes;
      const goldenSf = goldens.get(`${set}.x_sf`)!.bytes;
      const sfTie = goldens.get(`${set}.x_sf_near_tie`)!.bytes;
      const q = answers.get(`${set}.x_q`)!.bytes;
      const goldenQ = goldens.get(`${set}.x_q`)!.bytes;
      const qTie = goldens.get(`${set}.x_q_near_tie`)!.bytes;
      expect(sf.length).toBe(goldenSf.length);
      const differing: number[] = [];
      for (let i = 0; i < qTie.length; i++) {
        const block = i >> 4;
        if (sfTie[block] || qTie[i]) continue;
        if (sf[block] !== goldenSf[block]) differing.push(i);
        // A zero or underflowing block decodes to 0 whatever its codes are.
        const shift = (i & 1) * 4;
        if (sf[block] !== 0 && ((q[i >> 1]! ^ goldenQ[i >> 1]!) >> shift) & 15) differing.push(i);
      }
      expect({ set, differing }).toEqual({ set, differing: [] });
    }
  });

  it('W4A16 cannot answer `ideal`: exit code 4 and why', async () => {
    const name = 'modelopt-qwen3moe-w4a16-tiny';
    const { code, errorCode } = await cli([
      'run',
      checkpointPath(name),
      '--input',
      goldenPath(name),
      '--out',
      join(folder.path, 'no'),
      '--provider',
      'reference',
      '--contract',
      'ideal',
      '--json',
    ]);
    expect(code).toBe(4);
    expect(errorCode).toBe('unsupported');
  });
});

describe.runIf(haveShared)('cpu, CUTLASS path', () => {
  it.each(quantizing)('%s: T64 is near out_w4a4_shared_bf16mid', async (name) => {
    const answers = await run(name, ['--provider', 'cpu', '--path', 'cutlass', '--contract', 'clean']);
    const golden = (await readTensorFile(goldenPath(name))).get('T64.out_w4a4_shared_bf16mid')!;
    const { relL2, cosine } = distance(valuesOf(answers.get('T64.y')!), valuesOf(golden));
    expect(relL2).toBeLessThanOrEqual(0.02);
    expect(cosine).toBeGreaterThanOrEqual(0.9998);
  });

  it.each(quantizing)(
    '%s: what is left against `ideal` comes from flipped FP4 codes of the requantization',
    async (name) => {
      const options = ['--contract', 'clean', '--path', 'cutlass', '--taps', 'act_q,act_sf,fc2'];
      const cpu = await run(name, ['--provider', 'cpu', ...options]);
      const reference = await run(name, ['--provider', 'reference', ...options]);
      const of = (tensors: Map<string, FileTensor>, tap: string) => tensors.get(`T64.${tap}`)!;
      const [pairs, hidden] = of(cpu, 'fc2').shape as [number, number];
      const sameRow = (tap: string, row: number) => {
        const width = of(cpu, tap).bytes.length / pairs;
        const part = (tensors: Map<string, FileTensor>) =>
          of(tensors, tap).bytes.subarray(row * width, (row + 1) * width);
        return part(cpu).equals(part(reference));
      };
      const a = valuesOf(of(cpu, 'fc2'));
      const b = valuesOf(of(reference, 'fc2'));
      let flipped = 0;
      let [unflippedError, totalError, norm] = [0, 0, 0];
      for (let row = 0; row < pairs; row++) {
        const same = sameRow('act_q', row) && sameRow('act_sf', row);
        if (!same) flipped++;
        for (let i = row * hidden; i < (row + 1) * hidden; i++) {
          const error = (a[i]! - b[i]!) ** 2;
          totalError += error;
          if (same) unflippedError += error;
          norm += b[i]! ** 2;
        }
      }
      expect(flipped).toBeGreaterThan(0);
      // Without a flip FC2 gets the same FP4 values, and only fp32 and bf16 rounding of its result is left (2^-9).
      expect(Math.sqrt(unflippedError / norm)).toBeLessThan(2 ** -9);
      expect(unflippedError / totalError).toBeLessThan(0.01);
    },
  );
});

it.runIf(!haveShared)('the shared checkpoints are not here: set MOESCOPE_SHARED to run the goldens', () => {
  expect(haveShared).toBe(false);
});
