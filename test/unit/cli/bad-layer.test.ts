/** Done-when 7: bad input inside a layer. Each case damages one thing of a good checkpoint. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeCheckpoint } from '../../../electron/engine/checkpoint/make/make';
import { loadBinding } from '../../../electron/engine/native/load';
import {
  changeBytes,
  changeHeader,
  changeJson,
  changeTensors,
  damaged,
  makeTiny,
  type TemporaryFolder,
  temporaryFolder,
} from '../../fixtures/checkpoints/tiny';
import { cli } from '../../fixtures/cli';
import { type Case, expectRefused } from '../../fixtures/refusal';

let folder: TemporaryFolder;
let base: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  base = await makeTiny(join(folder.path, 'base'));
});
afterAll(() => folder.dispose());

let made = 0;
const copy = (change: (path: string) => Promise<void>) => damaged(base, join(folder.path, `case-${made++}`), change);

const experts = 'model.layers.0.mlp.experts';
const float = (value: number) => (bytes: Buffer) => {
  bytes.writeFloatLE(value, 0);
};

const inspect = ['inspect'];
const load = () => ['prepare', '--out', join(folder.path, 'never.safetensors')];

describe('seen in a layer', () => {
  const cases: Case[] = [
    {
      what: 'a missing expert',
      change: (path) => changeTensors(path, (tensor) => (tensor.name.includes('.experts.5.') ? null : tensor)),
      code: 'missing-expert',
      names: [/[Ee]xpert 5/, /experts\.5/],
    },
    {
      what: 'a missing projection',
      change: (path) => changeTensors(path, (tensor) => (tensor.name.includes('.experts.5.up_proj.') ? null : tensor)),
      code: 'missing-tensor',
      names: [/experts\.5\.up_proj\.weight/],
    },
    {
      what: 'a missing weight_scale',
      change: (path) =>
        changeTensors(path, (tensor) => (tensor.name === `${experts}.2.down_proj.weight_scale` ? null : tensor)),
      code: 'missing-tensor',
      names: [/experts\.2\.down_proj\.weight_scale/],
    },
    {
      what: 'one missing input_scale',
      change: (path) =>
        changeTensors(path, (tensor) => (tensor.name === `${experts}.2.down_proj.input_scale` ? null : tensor)),
      code: 'missing-tensor',
      names: [/experts\.2\.down_proj\.input_scale/],
    },
    {
      what: 'block scales of another dtype',
      change: (path) =>
        changeHeader(path, (header) => Object.assign(header[`${experts}.1.gate_proj.weight_scale`]!, { dtype: 'U8' })),
      code: 'wrong-dtype',
      names: [/experts\.1\.gate_proj\.weight_scale/, /F8_E4M3/, /U8/],
    },
    {
      what: 'weights of another dtype',
      change: (path) =>
        changeHeader(path, (header) => Object.assign(header[`${experts}.0.up_proj.weight`]!, { dtype: 'I8' })),
      code: 'wrong-dtype',
      names: [/experts\.0\.up_proj\.weight/, /I8/],
    },
    {
      what: 'a scalar of another dtype',
      change: (path) =>
        changeHeader(path, (header) => Object.assign(header[`${experts}.0.up_proj.weight_scale_2`]!, { dtype: 'I32' })),
      code: 'wrong-dtype',
      names: [/weight_scale_2/, /I32/],
    },
    {
      what: 'a transposed weight',
      change: (path) =>
        changeHeader(path, (header) => Object.assign(header[`${experts}.4.down_proj.weight`]!, { shape: [64, 256] })),
      code: 'wrong-shape',
      names: [/experts\.4\.down_proj\.weight/, /\[256, 64\]/, /\[64, 256\]/],
    },
    {
      what: 'NaN weight_scale_2',
      change: (path) => changeBytes(path, `${experts}.6.up_proj.weight_scale_2`, float(Number.NaN)),
      code: 'bad-scale',
      names: [/experts\.6\.up_proj\.weight_scale_2/, /NaN/],
    },
    {
      what: 'negative weight_scale_2',
      change: (path) => changeBytes(path, `${experts}.6.up_proj.weight_scale_2`, float(-1e-4)),
      code: 'bad-scale',
      names: [/experts\.6\.up_proj\.weight_scale_2/, /-0\.0000999/],
    },
    {
      what: 'infinite input_scale',
      change: (path) => changeBytes(path, `${experts}.6.up_proj.input_scale`, float(Number.POSITIVE_INFINITY)),
      code: 'bad-scale',
      names: [/experts\.6\.up_proj\.input_scale/, /Infinity/],
    },
    {
      what: 'zero input_scale',
      change: (path) => changeBytes(path, `${experts}.0.down_proj.input_scale`, float(0)),
      code: 'bad-scale',
      names: [/experts\.0\.down_proj\.input_scale/],
    },
    {
      what: 'weight_scale_2 in the large form',
      change: (path) => changeBytes(path, `${experts}.6.up_proj.weight_scale_2`, float(2688 / 0.1)),
      code: 'bad-scale',
      names: [/experts\.6\.up_proj\.weight_scale_2/, /large form/],
    },
    {
      what: 'fewer experts in the configuration than in the weights',
      change: (path) => changeJson(path, 'config.json', (config) => Object.assign(config, { num_experts: 7 })),
      code: 'bad-config',
      names: [/expert 7/, /0 to 6/],
    },
    {
      what: 'an intermediate size in config.json that is no multiple of 16',
      change: (path) =>
        changeJson(path, 'config.json', (config) => Object.assign(config, { moe_intermediate_size: 120 })),
      code: 'unsupported-shape',
      names: [/120/, /multiple of 16/],
    },
    {
      what: 'an activation that is not built in',
      change: (path) => changeJson(path, 'config.json', (config) => Object.assign(config, { hidden_act: 'mish' })),
      code: 'unsupported-shape',
      names: [/mish/],
    },
    {
      what: 'experts that were not quantized',
      change: (path) =>
        changeTensors(path, (tensor) => {
          if (!tensor.name.includes('.experts.')) return tensor;
          if (!tensor.name.endsWith('.weight')) return null;
          const [rows, packed] = tensor.shape as [number, number];
          return { ...tensor, dtype: 'BF16', shape: [rows, packed * 2], bytes: new Uint8Array(rows * packed * 4) };
        }),
      code: 'unknown-quantization',
      names: [/layer 0/, /BF16/],
    },
  ];

  it.each(cases)('$what', async ({ change, ...wanted }) => {
    await expectRefused(await copy(change), wanted, [inspect, load()]);
  });

  it('an intermediate size of the weights that is no multiple of 16', async () => {
    const path = await copy((inside) =>
      changeTensors(inside, (tensor) => {
        if (!tensor.name.includes('.experts.') || tensor.shape.length !== 2) return tensor;
        const isDown = tensor.name.includes('.down_proj.');
        const isScale = tensor.name.endsWith('.weight_scale');
        // 120 instead of 128 intermediate columns or rows.
        const shape = isDown ? [tensor.shape[0]!, isScale ? 8 : 60] : [120, tensor.shape[1]!];
        return { ...tensor, shape, bytes: tensor.bytes.subarray(0, shape[0]! * shape[1]!) };
      }),
    );
    await changeJson(path, 'config.json', (config) => Reflect.deleteProperty(config, 'moe_intermediate_size'));
    await expectRefused(path, { code: 'unsupported-shape', names: [/120/, /multiple of 16/] }, [inspect, load()]);
  });
});

describe('seen in the bytes of the block scales', () => {
  it.each([
    ['NaN', 0x7f],
    ['negative', 0x81],
  ])('%s', async (_what, code) => {
    const name = `${experts}.3.down_proj.weight_scale`;
    const path = await copy((inside) =>
      changeBytes(inside, name, (bytes) => {
        bytes[37] = code;
      }),
    );
    await expectRefused(path, { code: 'bad-scale', names: [/experts\.3\.down_proj\.weight_scale/, /\[4, 5\]/] }, [
      load(),
      ['inspect', '--layer', '0'],
      ['verify'],
    ]);
  });
});

describe('not bad input', () => {
  it('a layer without experts is listed, a broken one beside a good one leaves that one loadable', async () => {
    const path = await makeCheckpoint(
      { shape: 'tiny', scales: 'realistic', layers: 2, seed: 1n, out: join(folder.path, 'two'), version: 'test' },
      loadBinding(),
    ).then(({ path: out }) => out);
    await changeTensors(path, (tensor) =>
      tensor.name === 'model.layers.0.mlp.experts.2.up_proj.weight' ? null : tensor,
    );
    const listed = await cli(['inspect', path, '--json']);
    expect(listed.code).toBe(3);
    expect(
      (listed.json as unknown as { layers: { error: unknown }[] }).layers.map(({ error }) => error !== null),
    ).toEqual([true, false]);
    const out = join(folder.path, 'good.safetensors');
    expect((await cli(['prepare', path, '--layer', '1', '--out', out])).code).toBe(0);
    expect((await cli(['prepare', path, '--layer', '0', '--out', out])).code).toBe(3);
    // Without --layer the fault of the first MoE layer is told, not passed over.
    expect((await cli(['prepare', path, '--out', out])).code).toBe(3);
  });

  it('odd strings in exclude lists do no harm', async () => {
    const path = await copy((inside) =>
      changeJson(inside, 'hf_quant_config.json', (config) => {
        (config.quantization as Record<string, unknown>).exclude_modules = [
          'lm_head.\u0000backbone.x',
          '',
          null,
          7,
          '***',
          're:(',
          '\u0000',
        ];
      }),
    );
    expect((await cli(['inspect', path, '--json'])).code).toBe(0);
  });
});
