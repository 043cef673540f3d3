/** Shapes that `make-checkpoint` knows. Source: aiconfigurator model_configs at 095f58a51, as tabulated in the domain notes. */
import type { Activation } from '../../../contract/layer';

/** How the family names its tensors below `layers.L`. */
export interface Naming {
  /** before "layers.L" */
  root: string;
  /** module that holds `experts` and the router */
  module: string;
  gate: string;
  up: string;
  down: string;
  router: string;
}

export interface ModelShape {
  readonly hidden: number;
  /** width of FC1's input where it is not the hidden size (latent mixture of experts) */
  readonly latent?: number;
  readonly intermediate: number;
  readonly experts: number;
  readonly topK: number;
  readonly activation: Activation;
  readonly scoring: 'softmax' | 'sigmoid';
  readonly renormalize: boolean;
  readonly routedScale: number;
  readonly groups: number;
  readonly topGroups: number;
  readonly modelType: string;
  readonly architecture: string;
  readonly naming: Naming;
}

const gated = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj', router: 'gate' };
const mlp: Naming = { root: 'model.', module: 'mlp', ...gated };
const mixer: Naming = { root: 'backbone.', module: 'mixer', ...gated };
const sparse: Naming = { root: 'model.', module: 'block_sparse_moe', gate: 'w1', up: 'w3', down: 'w2', router: 'gate' };

const softmax = { scoring: 'softmax', renormalize: true, routedScale: 1, groups: 1, topGroups: 1 } as const;
const sigmoid = { scoring: 'sigmoid', renormalize: true, routedScale: 1, groups: 1, topGroups: 1 } as const;

const qwen3 = {
  ...softmax,
  activation: 'silu',
  modelType: 'qwen3_moe',
  architecture: 'Qwen3MoeForCausalLM',
  naming: mlp,
} as const;
const nemotron = {
  ...sigmoid,
  activation: 'relu2',
  modelType: 'nemotron_h',
  architecture: 'NemotronHForCausalLM',
  naming: mixer,
} as const;
const deepseek = {
  ...sigmoid,
  activation: 'silu',
  modelType: 'deepseek_v3',
  architecture: 'DeepseekV3ForCausalLM',
  naming: mlp,
} as const;

export const modelShapes: Readonly<Record<string, ModelShape>> = {
  'qwen3-30b-a3b': { ...qwen3, hidden: 2048, intermediate: 768, experts: 128, topK: 8 },
  'qwen3-235b-a22b': { ...qwen3, hidden: 4096, intermediate: 1536, experts: 128, topK: 8 },
  'qwen3-coder-480b-a35b': { ...qwen3, hidden: 6144, intermediate: 2560, experts: 160, topK: 8 },
  'qwen3-next-80b-a3b': {
    ...qwen3,
    modelType: 'qwen3_next',
    architecture: 'Qwen3NextForCausalLM',
    hidden: 2048,
    intermediate: 512,
    experts: 512,
    topK: 10,
  },
  'nemotron-3-nano': { ...nemotron, routedScale: 2.5, hidden: 2688, intermediate: 1856, experts: 128, topK: 6 },
  'nemotron-3-super': {
    ...nemotron,
    routedScale: 5,
    hidden: 4096,
    latent: 1024,
    intermediate: 2688,
    experts: 512,
    topK: 22,
  },
  'deepseek-v3': {
    ...deepseek,
    routedScale: 2.5,
    groups: 8,
    topGroups: 4,
    hidden: 7168,
    intermediate: 2048,
    experts: 256,
    topK: 8,
  },
  'kimi-k2': {
    ...deepseek,
    modelType: 'kimi_k2',
    routedScale: 2.827,
    hidden: 7168,
    intermediate: 2048,
    experts: 384,
    topK: 8,
  },
  'glm-4.5-air': {
    ...deepseek,
    modelType: 'glm4_moe',
    architecture: 'Glm4MoeForCausalLM',
    hidden: 4096,
    intermediate: 1408,
    experts: 128,
    topK: 8,
  },
  'minimax-m2.5': {
    ...sigmoid,
    activation: 'silu',
    modelType: 'minimax_m2',
    architecture: 'MiniMaxM2ForCausalLM',
    naming: sparse,
    hidden: 3072,
    intermediate: 1536,
    experts: 256,
    topK: 8,
  },
  // The real gpt-oss is MXFP4; this has its shape and activation with NVFP4 experts.
  'gpt-oss-like': {
    ...softmax,
    activation: 'swigluoai',
    modelType: 'gpt_oss',
    architecture: 'GptOssForCausalLM',
    naming: { ...mlp, router: 'router' },
    hidden: 2880,
    intermediate: 2880,
    experts: 128,
    topK: 4,
  },
  'gemma-4-26b': {
    ...softmax,
    activation: 'gelu_tanh',
    modelType: 'gemma4_text',
    architecture: 'Gemma4ForCausalLM',
    naming: mlp,
    hidden: 2816,
    intermediate: 704,
    experts: 128,
    topK: 8,
  },
  tiny: { ...qwen3, hidden: 256, intermediate: 128, experts: 8, topK: 2 },
  'tiny-nemotron': { ...nemotron, routedScale: 2.5, hidden: 256, intermediate: 128, experts: 8, topK: 2 },
};

/** Width of FC1's input. */
export const inputWidth = (shape: ModelShape): number => shape.latent ?? shape.hidden;
