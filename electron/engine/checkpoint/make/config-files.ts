/** config.json and hf_quant_config.json of a made checkpoint, with the keys of the family. */
import type { ModelShape } from './shapes';

export interface MadeModel {
  shape: ModelShape;
  experts: number;
  topK: number;
  layers: number;
  /** modules left unquantized */
  excluded: string[];
  version: string;
}

const activationKey: Readonly<Record<string, string>> = {
  silu: 'silu',
  gelu_tanh: 'gelu_pytorch_tanh',
  relu2: 'relu2',
  swigluoai: 'silu',
};

export function modelConfig(model: MadeModel): Record<string, unknown> {
  const { shape } = model;
  const activation = activationKey[shape.activation];
  const nemotron = shape.modelType === 'nemotron_h';
  const expertsKey =
    shape.scoring === 'sigmoid' && shape.modelType !== 'minimax_m2' ? 'n_routed_experts' : 'num_experts';
  return {
    architectures: [shape.architecture],
    model_type: shape.modelType,
    dtype: 'bfloat16',
    hidden_size: shape.hidden,
    ...(shape.latent !== undefined && { moe_latent_size: shape.latent }),
    moe_intermediate_size: shape.intermediate,
    num_hidden_layers: model.layers,
    ...(nemotron
      ? { mlp_hidden_act: activation, layers_block_type: Array.from({ length: model.layers }, () => 'moe') }
      : { hidden_act: activation }),
    ...(shape.activation === 'swigluoai' && { swiglu_limit: 7 }),
    [expertsKey]: model.experts,
    num_experts_per_tok: model.topK,
    norm_topk_prob: shape.renormalize,
    scoring_func: shape.scoring,
    routed_scaling_factor: shape.routedScale,
    n_group: model.experts % shape.groups === 0 ? shape.groups : 1,
    topk_group: model.experts % shape.groups === 0 ? shape.topGroups : 1,
    quantization_config: {
      config_groups: {
        group_0: {
          input_activations: { dynamic: false, num_bits: 4, type: 'float', group_size: 16 },
          weights: { dynamic: false, num_bits: 4, type: 'float', group_size: 16 },
          targets: ['Linear'],
        },
      },
      ignore: model.excluded,
      quant_algo: 'NVFP4',
      producer: { name: 'moescope', version: model.version },
      quant_method: 'modelopt',
    },
  };
}

export function quantConfig(model: MadeModel): Record<string, unknown> {
  return {
    producer: { name: 'moescope', version: model.version },
    quantization: { quant_algo: 'NVFP4', kv_cache_quant_algo: null, group_size: 16, exclude_modules: model.excluded },
  };
}
