/** Checkpoints damaged at random, through the engine's own way in: whatever is wrong ends in a coded error or in a layer that loads. */
import { cp, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { Checkpoint } from '../../../electron/engine/checkpoint/checkpoint';
import { loadLayer } from '../../../electron/engine/layer/load-layer';
import { loadBinding } from '../../../electron/engine/native/load';
import { randomSource, writeRandomCheckpoint } from '../../fixtures/checkpoints/random';
import { type TemporaryFolder, temporaryFolder, weights } from '../../fixtures/checkpoints/tiny';

const binding = loadBinding();
const shape = { hidden: 32, intermediate: 32, experts: 4, topK: 2, gated: true, sameGateUp: false } as const;

let folder: TemporaryFolder;
let good: string;
let damaged: string;
let bytes: Buffer;
let config: Record<string, unknown>;
beforeAll(async () => {
  folder = await temporaryFolder();
  good = await writeRandomCheckpoint(join(folder.path, 'good'), { ...shape, format: 'modelopt', seed: 1 });
  damaged = join(folder.path, 'damaged');
  await cp(good, damaged, { recursive: true });
  bytes = await readFile(join(good, weights));
  config = JSON.parse(await readFile(join(good, 'config.json'), 'utf8')) as Record<string, unknown>;
});
afterAll(() => folder.dispose());

/** Opens the damaged copy and loads its first layer. Returns "loaded" or the code of the error; throws what is no coded error. */
async function outcome(what: string): Promise<string> {
  let checkpoint: Checkpoint | undefined;
  try {
    checkpoint = await Checkpoint.open(damaged);
    const layer = await loadLayer(checkpoint, checkpoint.firstLayer(), binding);
    await binding.prepareLayer(layer.native, { contract: 'unit-alpha', threshold: 64 }, {});
    return 'loaded';
  } catch (thrown) {
    const error = AppError.from(thrown);
    if (error.code === 'internal') throw new Error(`${what}: ${error.message}`, { cause: thrown });
    for (const text of Object.values(error.toData()))
      if (text.length > 5000) throw new Error(`${what}: ${text.length} characters`);
    return error.code;
  } finally {
    await checkpoint?.close();
  }
}

describe('weights', () => {
  it('cut at any byte', async () => {
    const seen = new Set<string>();
    const header = Number(bytes.readBigUInt64LE(0)) + 8;
    const random = randomSource(5);
    const cuts = [0, 1, 7, 8, 9, header - 1, header, header + 1, bytes.length - 1];
    for (let i = 0; i < 60; i++) cuts.push(Math.floor(random() * (i % 2 ? header : bytes.length)));
    for (const cut of cuts) {
      await writeFile(join(damaged, weights), bytes);
      await truncate(join(damaged, weights), cut);
      seen.add(await outcome(`cut at ${cut}`));
    }
    expect([...seen]).toEqual(['file-truncated']);
  });

  it('with flipped bits in the header', async () => {
    const random = randomSource(6);
    const header = Number(bytes.readBigUInt64LE(0)) + 8;
    const seen = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const copy = Buffer.from(bytes);
      const flips = 1 + Math.floor(random() * 4);
      for (let n = 0; n < flips; n++) {
        const at = Math.floor(random() * header);
        copy[at] = (copy[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      }
      await writeFile(join(damaged, weights), copy);
      seen.add(await outcome(`header ${i}`));
    }
    expect(seen.size).toBeGreaterThan(4);
  });

  it('with flipped bits in the data', async () => {
    const random = randomSource(7);
    const header = Number(bytes.readBigUInt64LE(0)) + 8;
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const copy = Buffer.from(bytes);
      for (let n = 0; n < 8; n++) {
        const at = header + Math.floor(random() * (bytes.length - header));
        copy[at] = Math.floor(random() * 256);
      }
      await writeFile(join(damaged, weights), copy);
      seen.add(await outcome(`data ${i}`));
    }
    for (const code of seen) expect(['loaded', 'bad-scale']).toContain(code);
  });

  it('that shrink after they were opened', async () => {
    await writeFile(join(damaged, weights), bytes);
    const checkpoint = await Checkpoint.open(damaged);
    await truncate(join(damaged, weights), bytes.length - 100);
    await expect(loadLayer(checkpoint, 0, binding)).rejects.toMatchObject({ code: 'out-of-bounds' });
    await checkpoint.close();
  });
});

/** What a key may hold by mistake. */
const odd: unknown[] = [
  null,
  0,
  -1,
  1,
  1.5,
  1e308,
  2 ** 53,
  2 ** 31,
  4096,
  true,
  '',
  'x',
  'constructor',
  '__proto__',
  [],
  [[]],
  {},
  { a: 1 },
  [null],
  '\u0000',
  're:(',
  're:(a+)+$',
  're:([a-z0-9_.]+)+!',
  'x'.repeat(50000),
  [...Array(50).keys()],
];

describe('configuration', () => {
  it('with any odd value for any key', async () => {
    await writeFile(join(damaged, weights), bytes);
    const paths: string[][] = [];
    const walk = (value: unknown, path: string[]) => {
      if (path.length > 0) paths.push(path);
      if (typeof value === 'object' && value !== null)
        for (const [key, item] of Object.entries(value)) walk(item, [...path, key]);
    };
    walk(
      {
        ...config,
        text_config: {},
        n_group: 1,
        topk_group: 1,
        swiglu_limit: 1,
        swiglu_alpha: 1,
        routed_scaling_factor: 1,
        scoring_func: '',
        norm_topk_prob: true,
        moe_latent_size: 32,
      },
      [],
    );
    for (const key of [
      'quant_algo',
      'group_size',
      'exclude_modules',
      'ignore',
      'quantized_layers',
      'producer',
      'config_groups',
      'format',
    ])
      paths.push(['quantization_config', key]);
    const seen = new Set<string>();
    for (const path of paths) {
      for (const value of [undefined, ...odd]) {
        const copy = JSON.parse(JSON.stringify(config)) as Record<string, unknown>;
        let at = copy;
        for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
        at[path[path.length - 1] as string] = value;
        await writeFile(join(damaged, 'config.json'), JSON.stringify(copy));
        const what = `${path.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}`;
        seen.add(await outcome(what));
      }
    }
    expect([...seen].sort()).toEqual([
      'bad-config',
      'loaded',
      'missing-expert',
      'unknown-quantization',
      'unsupported-shape',
      'wrong-shape',
    ]);
    await writeFile(join(damaged, 'config.json'), JSON.stringify(config));
  });

  it("with Python's words for what is no number", async () => {
    const text = JSON.stringify({ ...config, note: 'NaN "Infinity" \\' }).replace(
      /}$/,
      ', "time_step_limit": [-Infinity, Infinity, NaN]}',
    );
    await writeFile(join(damaged, weights), bytes);
    await writeFile(join(damaged, 'config.json'), text);
    expect(await outcome('infinite limits')).toBe('loaded');
    await writeFile(join(damaged, 'config.json'), text.replace('"num_experts":4', '"num_experts":Infinity'));
    expect(await outcome('infinite experts')).toBe('bad-config');
    await writeFile(join(damaged, 'config.json'), text.replace('"num_experts":4', '"num_experts":Infinit'));
    expect(await outcome('cut word')).toBe('bad-config');
    await writeFile(join(damaged, 'config.json'), JSON.stringify(config));
  });

  it('with lists that hold odd values, for exclusion and mixed precision', async () => {
    for (const value of odd) {
      for (const method of [
        { quant_method: 'modelopt', quant_algo: 'NVFP4', ignore: [value, value] },
        { quant_method: 'modelopt', quant_algo: 'NVFP4', exclude_modules: value },
        {
          quant_method: 'modelopt',
          quant_algo: 'MIXED_PRECISION',
          quantized_layers: { 'model.layers.0.mlp.experts*': value },
        },
        {
          quant_method: 'modelopt',
          quant_algo: 'MIXED_PRECISION',
          quantized_layers: { 'model.layers.0.mlp.experts*': { quant_algo: value } },
        },
        {
          quant_method: 'modelopt',
          quant_algo: 'MIXED_PRECISION',
          quantized_layers: { [String(value)]: { quant_algo: 'NVFP4' } },
        },
      ]) {
        await writeFile(join(damaged, 'config.json'), JSON.stringify({ ...config, quantization_config: method }));
        expect(['loaded', 'unknown-quantization']).toContain(await outcome(JSON.stringify(method).slice(0, 120)));
      }
    }
  });
});
