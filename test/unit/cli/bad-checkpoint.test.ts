/** Done-when 7: bad input gives its message and its exit code. Each case damages one thing of a good checkpoint. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, it } from 'vitest';
import {
  changeHeader,
  changeJson,
  damaged,
  makeTiny,
  shard,
  type TemporaryFolder,
  temporaryFolder,
  weights,
} from '../../fixtures/checkpoints/tiny';
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
const inspect = ['inspect'];
const load = () => ['prepare', '--out', join(folder.path, 'never.safetensors')];

describe('seen when a checkpoint is opened', () => {
  const cases: Case[] = [
    {
      what: 'a truncated file',
      change: (path) => truncate(join(path, weights), 200_000),
      code: 'file-truncated',
      names: [/model\.safetensors/, /200000 bytes/],
    },
    {
      what: 'a file cut inside its header',
      change: (path) => truncate(join(path, weights), 300),
      code: 'file-truncated',
      names: [/model\.safetensors/, /300 bytes/],
    },
    {
      what: 'an empty file',
      change: (path) => truncate(join(path, weights), 0),
      code: 'file-truncated',
      names: [/model\.safetensors/],
    },
    {
      what: 'header length 2^63',
      change: async (path) => {
        const field = Buffer.alloc(64);
        field.writeBigUInt64LE(2n ** 63n, 0);
        await writeFile(join(path, weights), field);
      },
      code: 'bad-header',
      names: [/model\.safetensors/, /9223372036854775808/],
    },
    {
      what: 'overlapping tensors',
      change: (path) =>
        changeHeader(path, (header) => {
          const tensor = header[`${experts}.3.up_proj.weight_scale`]!;
          tensor.data_offsets = [tensor.data_offsets[0] - 16, tensor.data_offsets[1] - 16];
        }),
      code: 'overlapping-tensors',
      names: [/experts\.3\.up_proj\.weight_scale/, /experts\.3\.up_proj\.weight /],
    },
    {
      what: 'a shape that does not fit its bytes',
      change: (path) =>
        changeHeader(path, (header) => Object.assign(header[`${experts}.0.up_proj.weight`]!, { shape: [128, 129] })),
      code: 'wrong-shape',
      names: [/experts\.0\.up_proj\.weight/],
    },
    {
      what: 'no config.json',
      change: (path) => rm(join(path, 'config.json')),
      code: 'file-not-found',
      names: [/config\.json/],
    },
    {
      what: 'a config.json that is no JSON',
      change: (path) => writeFile(join(path, 'config.json'), '{"hidden_size": '),
      code: 'bad-config',
      names: [/config\.json/, /JSON/],
    },
    {
      what: 'a config.json that is an array',
      change: (path) => writeFile(join(path, 'config.json'), '[]'),
      code: 'bad-config',
      names: [/config\.json/, /an array/],
    },
    {
      what: 'top-k above the number of experts',
      change: (path) => changeJson(path, 'config.json', (config) => Object.assign(config, { num_experts_per_tok: 9 })),
      code: 'bad-config',
      names: [/num_experts_per_tok/, /at most 8/, /9/],
    },
    {
      what: 'an unknown quantization',
      change: async (path) => {
        await changeJson(path, 'hf_quant_config.json', (config) =>
          Object.assign(config, { quantization: { quant_algo: 'INT4_AWQ', group_size: 128 } }),
        );
      },
      code: 'unknown-quantization',
      names: [/INT4_AWQ/, /nvfp4-pack-quantized/],
    },
    {
      what: 'no quantization at all',
      change: async (path) => {
        await rm(join(path, 'hf_quant_config.json'));
        await changeJson(path, 'config.json', (config) => Reflect.deleteProperty(config, 'quantization_config'));
      },
      code: 'unknown-quantization',
      names: [/config\.json/, /none/],
    },
    {
      what: 'no weights',
      change: (path) => rm(join(path, weights)),
      code: 'file-not-found',
      names: [/model\.safetensors\.index\.json/],
    },
    {
      what: 'weights that are a folder',
      change: async (path) => {
        await rm(join(path, weights));
        await mkdir(join(path, weights));
      },
      code: 'file-unreadable',
      names: [/model\.safetensors/, /folder/],
    },
    {
      what: 'weights that are a named pipe: nothing waits for it',
      change: async (path) => {
        await rm(join(path, weights));
        await promisify(execFile)('mkfifo', [join(path, weights)]);
      },
      code: 'file-unreadable',
      names: [/model\.safetensors/, /pipe/],
    },
    {
      what: 'a missing shard',
      change: async (path) => {
        const names = await shard(path, 3);
        await rm(join(path, names[1]!));
      },
      code: 'file-not-found',
      names: [/model-00002-of-00003\.safetensors/],
    },
    {
      what: 'a truncated shard',
      change: async (path) => {
        const names = await shard(path, 3);
        await truncate(join(path, names[2]!), 50_000);
      },
      code: 'file-truncated',
      names: [/model-00003-of-00003\.safetensors/],
    },
    {
      what: 'an index that promises a tensor which no shard has',
      change: async (path) => {
        const names = await shard(path, 2);
        await changeJson(path, 'model.safetensors.index.json', (index) =>
          Object.assign(index.weight_map as object, { extra: names[0]! }),
        );
      },
      code: 'missing-tensor',
      names: [/extra/],
    },
    {
      what: 'an index that leads out of the folder',
      change: async (path) => {
        await shard(path, 2);
        await changeJson(path, 'model.safetensors.index.json', (index) =>
          Object.assign(index.weight_map as object, { extra: '../../elsewhere.safetensors' }),
        );
      },
      code: 'bad-header',
      names: [/weight_map/],
    },
  ];

  it.each(cases)('$what', async ({ change, ...wanted }) => {
    await expectRefused(await copy(change), wanted, [inspect, load()]);
  });

  it('a folder that does not exist, and a file instead of a folder', async () => {
    await expectRefused(join(folder.path, 'nowhere'), { code: 'file-not-found', names: [/nowhere/] }, [inspect]);
    await expectRefused(
      join(base, 'config.json'),
      { code: 'file-unreadable', names: [/config\.json is not a folder/] },
      [inspect],
    );
  });

  // The superuser may read everything, so there is nothing to refuse.
  it.runIf(process.getuid?.() !== 0)('a file without permission to read', async () => {
    const path = await copy((inside) => chmod(join(inside, weights), 0));
    await expectRefused(path, { code: 'file-unreadable', names: [/model\.safetensors/] }, [inspect]);
  });
});
