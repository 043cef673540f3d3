import { describe, expect, it } from 'vitest';
import type { EngineState } from '../../../electron/contract/session';
import type { TensorDescriptor } from '../../../electron/contract/tensor';
import { bitFormat, bitMeaning, splitBits } from '../../../renderer/panels/scales/bits';
import { e2m1Class, e4m3Class, histogramPoints } from '../../../renderer/panels/scales/code-histogram';
import { mappingOf } from '../../../renderer/panels/scales/state';
import { groupTensors, ratioChoices, shownTensor } from '../../../renderer/panels/scales/tensors';

const tensor = (id: string, change: Partial<TensorDescriptor> = {}): TensorDescriptor => ({
  id,
  set: id.split('/')[0] as TensorDescriptor['set'],
  name: id.split('/')[1] as string,
  dtype: 'F8_E4M3',
  layout: 'sf128x4',
  shape: [4, 128, 16],
  planes: 4,
  rows: 128,
  columns: 16,
  bytes: 8192,
  role: 'block-scale',
  note: '',
  ...change,
});

const engine = (threshold: number, hybrid = { possible: true, reason: '' }) =>
  ({ threshold: { tokens: threshold }, layer: { hybrid } }) as unknown as EngineState;

/** The value that the words of bitMeaning say. */
function spoken(text: string): number {
  if (text === 'NaN') return Number.NaN;
  const sign = text.startsWith('−') ? -1 : 1;
  const normal = /2\^(-?\d+) × \(1 \+ (\d+)\/(\d+)\)/.exec(text);
  if (normal) return sign * 2 ** Number(normal[1]) * (1 + Number(normal[2]) / Number(normal[3]));
  const subnormal = /2\^(-?\d+) × (\d+)\/(\d+), subnormal/.exec(text);
  if (subnormal) return (sign * 2 ** Number(subnormal[1]) * Number(subnormal[2])) / Number(subnormal[3]);
  return sign * 0;
}

/** E4M3 "fn" from its definition: bias 7, 0x7F is NaN, subnormal step 2^-9. */
function e4m3(code: number): number {
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code >> 3) & 15;
  const mantissa = code & 7;
  if ((code & 0x7f) === 0x7f) return Number.NaN;
  return exponent === 0 ? sign * mantissa * 2 ** -9 : sign * 2 ** (exponent - 10) * (8 + mantissa);
}

describe('bits of an element', () => {
  const format = bitFormat('F8_E4M3', 'sf128x4')!;

  it('say the value of every E4M3 code', () => {
    for (let code = 0; code < 256; code++) expect(spoken(bitMeaning(code, format))).toBe(e4m3(code));
  });

  it('say the value of every E2M1 code', () => {
    const values = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    const fp4 = bitFormat('U8', 'fp4')!;
    for (let code = 0; code < 16; code++)
      expect(spoken(bitMeaning(code, fp4))).toBe((code & 8 ? -1 : 1) * values[code & 7]!);
  });

  it('are split into their fields, also where bit 31 is set', () => {
    expect(splitBits(0x7e, format)).toEqual({ sign: '0', exponent: '1111', mantissa: '110' });
    const single = bitFormat('F32', 'linear')!;
    expect(splitBits(0xc0490fdb, single)).toEqual({
      sign: '1',
      exponent: '10000000',
      mantissa: '10010010000111111011011',
    });
    expect(bitMeaning(0x7f800000, single)).toBe('+ Inf');
    expect(bitMeaning(0x7fc00000, single)).toBe('NaN');
    expect(bitFormat('F64', 'linear')).toBeNull();
  });
});

describe('histogram by code', () => {
  it('knows zero, subnormal, saturated and NaN of both formats', () => {
    const count = (name: string) =>
      Array.from({ length: 256 }, (_, code) => e4m3Class(code)).filter((found) => found === name).length;
    expect(['zero', 'subnormal', 'saturated', 'nan', 'normal'].map(count)).toEqual([2, 14, 2, 2, 236]);
    expect([0, 1, 7, 8, 9, 15, 3].map(e2m1Class)).toEqual([
      'zero',
      'subnormal',
      'saturated',
      'zero',
      'subnormal',
      'saturated',
      'normal',
    ]);
  });

  it('leaves out negative codes where there are none and keeps them where there is one', () => {
    const counts = new Float64Array(256);
    counts[0x38] = 5;
    expect(histogramPoints(tensor('b12x/a'), counts)).toHaveLength(128);
    counts[0xb8] = 1;
    const points = histogramPoints(tensor('b12x/a'), counts);
    expect(points).toHaveLength(256);
    expect(points[0xb8]).toEqual({ code: 0xb8, normal: 1 });
  });

  it('counts wide types by their exponent', () => {
    const points = histogramPoints({ dtype: 'BF16', layout: 'linear' }, new Float64Array(64));
    expect([points[0]?.code, points[63]?.code]).toEqual([-40, 23]);
  });
});

describe('list of tensors', () => {
  const all = [
    tensor('b12x/w13_weight', { role: 'weight', layout: 'fp4' }),
    tensor('b12x/w13_weight_scale'),
    tensor('checkpoint/w13_weight_scale', { layout: 'linear' }),
    tensor('checkpoint/w2_weight_scale', { rows: 64 }),
  ];

  it('has scales before weights and says why a set is empty', () => {
    const groups = groupTensors(all, engine(0), null);
    expect(groups.map(({ set }) => set)).toEqual(['checkpoint', 'b12x', 'cutlass', 'batch']);
    expect(groups[1]?.tensors.map(({ name }) => name)).toEqual(['w13_weight_scale', 'w13_weight']);
    expect(groups[2]?.reason).toMatch(/threshold is 0/);
    expect(groups[3]?.reason).toMatch(/No batch is selected/);
    expect(groups[0]?.reason).toBe('');
  });

  it('gives the reason of the layer where the hybrid is impossible, of the engine where a batch failed', () => {
    const groups = groupTensors(
      all,
      engine(64, { possible: false, reason: 'W4A16: no input scales.' }),
      7,
      'taps were not recorded',
    );
    expect(groups[2]?.reason).toBe('W4A16: no input scales.');
    expect(groups[3]?.reason).toBe('taps were not recorded');
  });

  it('shows the live b12x scales first, what was chosen otherwise, and waits for a batch', () => {
    expect(shownTensor(all, null, false)?.id).toBe('b12x/w13_weight_scale');
    expect(shownTensor(all, 'checkpoint/w2_weight_scale', false)?.id).toBe('checkpoint/w2_weight_scale');
    expect(shownTensor(all, 'batch/b12x.fc1', true)).toBeNull();
    expect(shownTensor(all, 'batch/b12x.fc1', false)?.id).toBe('b12x/w13_weight_scale');
    expect(shownTensor([], null, false)).toBeNull();
  });

  it('divides only what has the same role and shape', () => {
    expect(ratioChoices(all[1]!, all).map(({ id }) => id)).toEqual(['checkpoint/w13_weight_scale']);
    expect(ratioChoices(all[0]!, all)).toEqual([]);
  });

  it('colours ratios about 1, signed values about 0, scales from low to high', () => {
    expect(mappingOf('block-scale', null)).toBe('sequential');
    expect(mappingOf('activation', null)).toBe('diverging');
    expect(mappingOf('block-scale', 'cutlass/x')).toBe('ratio');
  });
});
