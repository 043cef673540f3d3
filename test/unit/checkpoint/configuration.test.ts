import { describe, expect, it } from 'vitest';
import { AppError } from '../../../electron/contract/errors';
import { cleanPattern, ExcludeList } from '../../../electron/engine/checkpoint/exclude';
import { isFusedExperts, parseExpertName } from '../../../electron/engine/checkpoint/families';
import { readModelConfig } from '../../../electron/engine/checkpoint/model-config';
import { readQuantization } from '../../../electron/engine/checkpoint/quantization';

const paths = { config: 'config.json', quantConfig: 'hf_quant_config.json' };
const group = { weights: { num_bits: 4, type: 'float', group_size: 16 }, input_activations: { num_bits: 4 } };

function errorOf(work: () => unknown): AppError {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof AppError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

describe('exclude lists', () => {
  it.each([
    ['lm_head.\u0000backbone.pt_name_sentinel', 'lm_head'],
    ['backbone.layers.0.mixer.gate.\u0000backbone.pt_name_sentinel', 'backbone.layers.0.mixer.gate'],
    ['model.layers.0*', 'model.layers.0*'],
    ['model.layers.0.\u0000x*', 'model.layers.0*'],
    ['a\u0000b', 'a'],
    ['\u0000', null],
    ['', null],
    [null, null],
    [7, null],
  ])('%j becomes %j', (written, pattern) => {
    expect(cleanPattern(written)).toBe(pattern);
  });

  it.each([
    [['lm_head'], 'lm_head', true],
    [['lm_head'], 'lm_head_2', false],
    [['model.layers.0.mlp'], 'model.layers.0.mlp.experts.3.up_proj', true],
    [['model.layers.1.mlp'], 'model.layers.10.mlp.gate', false],
    [['model.layers.*.mlp.gate'], 'model.layers.12.mlp.gate', true],
    [['model.layers.1*'], 'model.layers.12.mlp', true],
    [['*shared_expert*'], 'model.layers.2.mlp.shared_expert.up_proj', true],
    [['*.a*.b'], 'x.ab', false],
    [['re:.*mlp.gate$'], 'model.layers.0.mlp.gate', true],
    [['re:('], 'anything', false],
    ['not a list', 'anything', false],
  ])('%j covers %s: %s', (list, module, covered) => {
    expect(new ExcludeList(list).matches(module)).toBe(covered);
  });
});

describe('names of experts', () => {
  it.each([
    ['model.layers.3.mlp.experts.12.gate_proj.weight', 'gate', 3, 12, 'mlp'],
    ['model.language_model.layers.0.mlp.experts.1.down_proj.weight_scale', 'down', 0, 1, 'mlp'],
    ['backbone.layers.5.mixer.experts.2.up_proj.input_scale', 'up', 5, 2, 'mixer'],
    ['model.layers.3.block_sparse_moe.experts.7.w1.weight', 'gate', 3, 7, 'block_sparse_moe'],
    ['model.layers.3.block_sparse_moe.experts.7.w3.weight', 'up', 3, 7, 'block_sparse_moe'],
    ['layers.0.ffn.experts.9.w2.weight_scale_2', 'down', 0, 9, 'ffn'],
    ['language_model.model.layers.1.feed_forward.experts.0.up_proj.weight_packed', 'up', 1, 0, 'feed_forward'],
  ])('%s', (name, projection, layer, expert, module) => {
    expect(parseExpertName(name)).toMatchObject({ projection, layer, expert, module });
  });

  it.each([
    'model.layers.3.mlp.shared_experts.gate_proj.weight',
    'model.layers.3.mlp.gate.weight',
    'model.layers.3.mlp.experts.gate_up_proj',
    'model.layers.3.mlp.experts.x.gate_proj.weight',
    'model.embed_tokens.weight',
  ])('%s is none', (name) => {
    expect(parseExpertName(name)).toBeNull();
  });

  it('one tensor for all experts is recognised', () => {
    expect(isFusedExperts('mlp.experts.gate_up_proj_blocks')).toBe(true);
    expect(isFusedExperts('mlp.experts.0.gate_proj.weight')).toBe(false);
  });
});

describe('quantization', () => {
  const modelopt = (quantization: Record<string, unknown>) => ({
    producer: { name: 'modelopt', version: '0.33' },
    quantization,
  });

  it.each([
    ['NVFP4', 'nvfp4'],
    ['W4A16_NVFP4', 'w4a16'],
  ])('hf_quant_config.json with %s', (algo, experts) => {
    const info = readQuantization({}, modelopt({ quant_algo: algo, group_size: 16 }), paths);
    expect(info).toMatchObject({ format: 'modelopt', algo, producer: 'modelopt 0.33' });
    expect(info.expertAlgo('model.layers.0.mlp.experts.0.up_proj')).toBe(experts);
  });

  it('embedded', () => {
    const info = readQuantization(
      { quantization_config: { quant_method: 'modelopt', quant_algo: 'NVFP4', ignore: ['lm_head'] } },
      null,
      paths,
    );
    expect(info.exclude.patterns).toEqual(['lm_head']);
    const nested = readQuantization(
      { text_config: { quantization_config: { quant_method: 'modelopt', quant_algo: 'NVFP4' } } },
      null,
      paths,
    );
    expect(nested.format).toBe('modelopt');
  });

  it('MIXED_PRECISION asks the module, then its parents, then patterns', () => {
    const layers = {
      'model.layers.0.mlp.experts': { quant_algo: 'NVFP4' },
      'model.layers.0.mlp.experts.5.up_proj': { quant_algo: 'W4A16_NVFP4' },
      'model.layers.1.*': { quant_algo: 'W4A16_NVFP4' },
      'model.layers.2.mlp': { quant_algo: 'FP8' },
    };
    const info = readQuantization({}, modelopt({ quant_algo: 'MIXED_PRECISION', quantized_layers: layers }), paths);
    const algo = (module: string) => info.expertAlgo(module);
    expect(algo('model.layers.0.mlp.experts.1.up_proj')).toBe('nvfp4');
    expect(algo('model.layers.0.mlp.experts.5.up_proj')).toBe('w4a16');
    expect(algo('model.layers.1.mlp.experts.5.up_proj')).toBe('w4a16');
    expect(algo('model.layers.2.mlp.experts.5.up_proj')).toBe('other');
    expect(algo('model.layers.3.mlp.experts.5.up_proj')).toBe('other');
  });

  it('compressed-tensors', () => {
    const config = {
      quant_method: 'compressed-tensors',
      format: 'nvfp4-pack-quantized',
      config_groups: { group_0: group },
      version: '0.19.0',
    };
    expect(readQuantization({ quantization_config: config }, null, paths)).toMatchObject({
      format: 'compressed-tensors',
      producer: 'compressed-tensors 0.19.0',
    });
    const weightsOnly = { ...config, config_groups: { group_0: { ...group, input_activations: null } } };
    expect(readQuantization({ quantization_config: weightsOnly }, null, paths).expertAlgo('x')).toBe('w4a16');
    const perGroup = {
      ...config,
      format: 'mixed-precision',
      config_groups: { a: { ...group, format: 'nvfp4-pack-quantized' }, b: { format: 'int-quantized' } },
    };
    expect(readQuantization({ quantization_config: perGroup }, null, paths).expertAlgo('x')).toBe('nvfp4');
  });

  it('two files that disagree give a warning, the file of ModelOpt wins', () => {
    const info = readQuantization(
      { quantization_config: { quant_method: 'modelopt', quant_algo: 'W4A16_NVFP4' } },
      modelopt({ quant_algo: 'NVFP4' }),
      paths,
    );
    expect(info.algo).toBe('NVFP4');
    expect(info.warnings).toHaveLength(1);
  });

  it.each([
    ['nothing', {}, null, /none/],
    ['another method', { quantization_config: { quant_method: 'gptq', bits: 4 } }, null, /gptq/],
    ['another ModelOpt algorithm', {}, modelopt({ quant_algo: 'FP8' }), /FP8/],
    ['no algorithm', {}, modelopt({}), /no quant_algo/],
    ['another group size', {}, modelopt({ quant_algo: 'NVFP4', group_size: 32 }), /group_size 32/],
    ['a property of objects', {}, modelopt({ quant_algo: 'constructor' }), /constructor/],
    [
      'other compressed tensors',
      {
        quantization_config: {
          quant_method: 'compressed-tensors',
          format: 'pack-quantized',
          config_groups: { g: { weights: { num_bits: 4, type: 'int' } } },
        },
      },
      null,
      /pack-quantized/,
    ],
    [
      'an unknown embedded form beside a known file',
      { quantization_config: { quant_method: 'awq' } },
      modelopt({ quant_algo: 'NVFP4' }),
      /awq/,
    ],
  ])('%s is unknown, and says what is supported', (_what, config, quantConfig, found) => {
    const error = errorOf(() => readQuantization(config, quantConfig, paths));
    expect(error.code).toBe('unknown-quantization');
    expect(error.found).toMatch(found);
    expect(error.expected).toMatch(/NVFP4.*nvfp4-pack-quantized/);
  });
});

describe('model configuration', () => {
  const base = {
    model_type: 'qwen3_moe',
    hidden_size: 256,
    moe_intermediate_size: 128,
    num_experts: 8,
    num_experts_per_tok: 2,
    hidden_act: 'silu',
  };
  const read = (config: Record<string, unknown>, bias = false) => readModelConfig(config, 'config.json', bias);

  it.each([
    ['num_experts', { num_experts: 8 }],
    ['num_local_experts', { num_local_experts: 8 }],
    ['n_routed_experts', { n_routed_experts: 8 }],
  ])('experts from %s', (_key, part) => {
    const { num_experts: _left, ...rest } = base;
    expect(read({ ...rest, ...part }).experts).toBe(8);
  });

  it('the nested part of a multimodal model comes first', () => {
    const config = read({ hidden_size: 1, text_config: base });
    expect(config).toMatchObject({ hidden: 256, experts: 8, topK: 2, activation: 'silu' });
  });

  it('a latent size is the width of FC1', () => {
    expect(read({ ...base, moe_latent_size: 64 }).hidden).toBe(64);
    expect(read({ ...base, moe_latent_size: null }).hidden).toBe(256);
  });

  it.each([
    [{ hidden_act: 'silu' }, 'silu'],
    [{ hidden_act: 'gelu_pytorch_tanh' }, 'gelu_tanh'],
    [{ mlp_hidden_act: 'relu2', hidden_act: 'silu' }, 'relu2'],
    [{ hidden_act: 'silu', model_type: 'gpt_oss' }, 'swigluoai'],
    [{ hidden_act: 'mish' }, null],
  ])('activation of %j is %s', (part, activation) => {
    expect(read({ ...base, ...part }).activation).toBe(activation);
  });

  it('routing: a correction bias means sigmoid, unless the configuration says otherwise', () => {
    expect(read(base).routing).toMatchObject({ scoring: 'softmax', renormalize: true, scale: 1, groups: 1 });
    expect(
      read({ ...base, routed_scaling_factor: 2.5, n_group: 8, topk_group: 4, norm_topk_prob: false }, true).routing,
    ).toEqual({
      scoring: 'sigmoid',
      renormalize: false,
      scale: 2.5,
      groups: 8,
      topGroups: 4,
      correctionBias: true,
    });
    expect(read({ ...base, scoring_func: 'sqrtsoftplus' }).warnings).toHaveLength(1);
  });

  it('top-k above the number of experts', () => {
    const error = errorOf(() => read({ ...base, num_experts_per_tok: 9 }));
    expect(error).toMatchObject({ code: 'bad-config', found: '9', expected: 'at most 8 (the number of experts)' });
  });

  it.each([0, -1, 1.5, '8', [], {}])('experts %j', (value) => {
    expect(errorOf(() => read({ ...base, num_experts: value })).subject).toMatch(/num_experts in config\.json/);
  });
});
