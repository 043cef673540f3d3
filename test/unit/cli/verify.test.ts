/** Done-when 2: `verify` passes where the contracts differ by rounding alone, and tells the truth on real checkpoints. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ParityRow, VerifyItem } from '../../../electron/engine/analysis/verify';
import type { IdealDistance } from '../../../electron/engine/analysis/verify-ideal';
import { olderBuildMessage } from '../../../electron/engine/layer/threshold';
import { checkpointPath, haveShared } from '../../fixtures/checkpoints/shared';
import { makeTiny, type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';
import { cli } from '../../fixtures/cli';

let folder: TemporaryFolder;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.dispose());

interface Report {
  items: VerifyItem[];
  parity: ParityRow[];
  pass: boolean;
  remarks: string[];
  ideal: IdealDistance | null;
}

async function verify(
  path: string,
  ...options: string[]
): Promise<{ code: number; report: Report; item(id: number): VerifyItem }> {
  const { code, out, err } = await cli(['verify', path, '--json', ...options]);
  expect(out, err).toMatch(/^\{"checkpoint"/);
  const report = JSON.parse(out) as Report;
  return { code, report, item: (id) => report.items.find((candidate) => candidate.id === id)! };
}

const statuses = (report: Report) => report.items.map(({ id, status }) => `${id} ${status}`);
const allPass = ['1 pass', '2 pass', '3 pass', '4 pass', '5 pass'];

describe('power-of-two checkpoints', () => {
  it.each(['tiny', 'tiny-nemotron'])('%s: all five items pass', async (shape) => {
    const path = await makeTiny(join(folder.path, shape), { shape, scales: 'power-of-two' });
    const { code, report, item } = await verify(path);
    expect(statuses(report)).toEqual(allPass);
    expect(code).toBe(0);
    // Nothing is lost by baking or by a global scale of 1: the contract is as near to CUTLASS as `clean` is.
    const { nrmse, clean } = item(2).measured as { nrmse: number; clean: number };
    expect(nrmse).toBeCloseTo(clean, 12);
    expect(report.parity.map(({ tokens, path: taken }) => `${tokens} ${taken}`)).toEqual([
      '1 b12x',
      '63 b12x',
      '64 b12x',
      '65 b12x',
      '127 b12x',
      '128 cutlass',
      '129 cutlass',
      '256 cutlass',
    ]);
  });

  it('another threshold moves the path', async () => {
    const path = await makeTiny(join(folder.path, 'moved'), { scales: 'power-of-two' });
    const { report } = await verify(path, '--threshold', '64');
    expect(report.parity.filter(({ path: taken }) => taken === 'cutlass').map(({ tokens }) => tokens)).toEqual([
      64, 65, 127, 128, 129, 256,
    ]);
  });

  it('items 3 and 4 tell of the older build', async () => {
    const path = await makeTiny(join(folder.path, 'older'), { scales: 'power-of-two' });
    const { item } = await verify(path);
    expect(item(3).measured.provider).toMatch(/^older-build /);
    expect(item(4).measured).toEqual({ threshold: 128, code: 'threshold-unsupported', message: olderBuildMessage });
  });

  it('each parameter that is left behind shows in an output, or is the same for all experts', async () => {
    const path = await makeTiny(join(folder.path, 'eplb'), { scales: 'power-of-two' });
    const { item } = await verify(path);
    const leftOut = item(5).measured.leftOut as { parameter: string; detectedBy: string; paths: string[] }[];
    const shown = Object.fromEntries(
      leftOut.map(({ parameter, detectedBy, paths }) => [
        parameter,
        detectedBy === 'output' ? paths.join('+') : detectedBy,
      ]),
    );
    expect(shown).toEqual({
      w13_weight: 'b12x+cutlass',
      w2_weight: 'b12x+cutlass',
      w13_weight_scale: 'b12x',
      w2_weight_scale: 'b12x',
      w13_weight_scale_2: 'uniform',
      w2_weight_scale_2: 'uniform',
      a1_gscale: 'uniform',
      a2_gscale: 'uniform',
      w13_cutlass_weight_scale: 'cutlass',
      w2_cutlass_weight_scale: 'cutlass',
      w13_cutlass_a_gscale: 'uniform',
      w2_cutlass_a_gscale: 'uniform',
      w13_cutlass_g_alphas: 'cutlass',
      w2_cutlass_g_alphas: 'cutlass',
    });
  });
});

describe.runIf(haveShared)('real checkpoints', () => {
  it.each(['modelopt-qwen3moe-tiny', 'ct-qwen3moe-tiny', 'modelopt-nemotronh-tiny'] as const)(
    '%s: unit-alpha fails item 2 and names its causes',
    async (name) => {
      const { code, report, item } = await verify(checkpointPath(name));
      expect(code).toBe(1);
      expect(statuses(report)).toEqual(['1 pass', '2 fail', '3 pass', '4 pass', '5 pass']);
      const { nrmse, clean, limit } = item(2).measured as { nrmse: number; clean: number; limit: number };
      expect(limit).toBe(Math.max(0.05, 1.25 * clean));
      expect(nrmse).toBeGreaterThan(limit);
      const causes = Object.fromEntries(item(2).causes!.map(({ id, nrmse: alone }) => [id, alone]));
      expect(Object.keys(causes).sort()).toEqual(['baked-block-scales', 'rounding', 'unit-activation-scale']);
      expect(causes.rounding).toBe(clean);
      for (const id of ['baked-block-scales', 'unit-activation-scale']) {
        expect(causes[id]).toBeGreaterThan(clean);
        // Either alone is not the whole: together they make the difference, up to chance.
        expect(causes[id]).toBeLessThan(1.1 * nrmse);
      }
    },
  );

  it('modelopt-qwen3moe-tiny: the measured distances are those of the independent simulation', async () => {
    // 0.169, 0.157 from activations alone, 0.106, 0.027 for another N(0, 1) draw; draws differ by about a tenth (clean: 0.005).
    const { item } = await verify(checkpointPath('modelopt-qwen3moe-tiny'));
    const { nrmse, clean } = item(2).measured as { nrmse: number; clean: number };
    const alone = (id: string) => item(2).causes!.find((cause) => cause.id === id)!.nrmse;
    expect(nrmse).toBeGreaterThan(0.15);
    expect(nrmse).toBeLessThan(0.19);
    expect(alone('unit-activation-scale')).toBeGreaterThan(0.14);
    expect(alone('unit-activation-scale')).toBeLessThan(0.18);
    expect(Math.abs(alone('baked-block-scales') - 0.106)).toBeLessThan(0.012);
    expect(Math.abs(clean - 0.027)).toBeLessThan(0.006);
  });

  it('activation-alpha fails by the baked block scales alone', async () => {
    const { item } = await verify(checkpointPath('modelopt-qwen3moe-tiny'), '--contract', 'activation-alpha');
    expect(item(2).status).toBe('fail');
    expect(item(2).causes!.map(({ id }) => id)).toEqual(['baked-block-scales', 'rounding']);
  });

  it.each(['modelopt-qwen3moe-tiny', 'ct-qwen3moe-tiny', 'modelopt-nemotronh-tiny'] as const)(
    '%s: clean passes',
    async (name) => {
      const { code, report } = await verify(checkpointPath(name), '--contract', 'clean');
      expect(statuses(report)).toEqual(allPass);
      expect(code).toBe(0);
      // One token takes direct micro: agrees like the rest, and the open question about its scale is said.
      for (const { nrmse } of report.parity) expect(nrmse).toBeLessThan(0.1);
      expect(report.remarks).toHaveLength(1);
    },
  );

  it('the distance to `ideal` comes with its cause: flipped FP4 codes', async () => {
    const { report } = await verify(checkpointPath('modelopt-qwen3moe-tiny'), '--contract', 'clean');
    const { nrmse, rows, flippedRows, shareOfError, nrmseWithoutFlips } = report.ideal!;
    expect(nrmse).toBeLessThan(0.05);
    expect(flippedRows).toBeGreaterThan(0);
    expect(flippedRows).toBeLessThan(rows);
    expect(shareOfError).toBeGreaterThan(0.99);
    // What is left is the one rounding of FC2's result to bf16: half a unit in the last place is 2^-9.
    expect(nrmseWithoutFlips).toBeLessThan(2 ** -9);
  });

  it('W4A16: what cannot run is skipped with its reason', async () => {
    const { code, report, item } = await verify(checkpointPath('modelopt-qwen3moe-w4a16-tiny'));
    expect(code).toBe(0);
    expect(statuses(report)).toEqual(['1 pass', '2 skip', '3 pass', '4 pass', '5 pass']);
    expect(item(2).reason).toMatch(/W4A16/);
    expect(report.parity.every(({ nrmse }) => nrmse === null)).toBe(true);
    expect(report.ideal).toBeNull();
  });
});

describe('text', () => {
  it('prints every item, the parity table and the counts', async () => {
    const path = await makeTiny(join(folder.path, 'text'), { scales: 'power-of-two' });
    const { code, out } = await cli(['verify', path]);
    expect(code).toBe(0);
    for (const id of [1, 2, 3, 4, 5]) expect(out).toMatch(new RegExp(`^PASS  ${id}\\. `, 'm'));
    expect(out).toMatch(/tokens +path +kernel +NRMSE +cosine/);
    expect(out).toMatch(/5 pass, 0 fail, 0 skip/);
  });
});
