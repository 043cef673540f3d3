/**
 * How model families name their expert tensors. Detection is by pattern over the tensor names, not by a list of models:
 *
 *   ROOT.layers.L.MODULE.experts.E.PROJECTION.SUFFIX
 *
 * DeepSeek / GLM / Qwen3 / Kimi: model.layers.L.mlp.experts.E.{gate,up,down}_proj; Qwen3.5: model.language_model.layers...;
 * Nemotron-H: backbone.layers.L.mixer.experts.E.{up,down}_proj; MiniMax-M2: model.layers.L.block_sparse_moe.experts.E.w{1,2,3};
 * DeepSeek-V4: layers.L.ffn.experts.E.w{1,2,3}; Llama 4: ...layers.L.feed_forward.experts.E... (domain: vLLM model files).
 */
export type Projection = 'gate' | 'up' | 'down';

const projections: Readonly<Record<string, Projection>> = {
  gate_proj: 'gate',
  up_proj: 'up',
  down_proj: 'down',
  w1: 'gate',
  w3: 'up',
  w2: 'down',
};

export interface ExpertTensorName {
  /** everything before "layers.L", with its dot: "model.", "backbone.", "" */
  root: string;
  layer: number;
  /** "mlp", "mixer", "block_sparse_moe"; "" where experts lie directly below the layer */
  module: string;
  expert: number;
  projection: Projection;
  /** the name the family uses: "gate_proj", "w1" */
  written: string;
  suffix: string;
}

const expertName = /^((?:[\w-]+\.)*?)layers\.(\d+)\.((?:[\w-]+\.)*)experts\.(\d+)\.([\w-]+)\.([\w-]+)$/;
const layerName = /^((?:[\w-]+\.)*?)layers\.(\d+)\.(.+)$/;

/** Parts of an expert tensor's name, or null for any other tensor. */
export function parseExpertName(name: string): ExpertTensorName | null {
  // The search is much cheaper than the expression, and most tensors of a large model are experts of few layers anyway.
  if (!name.includes('experts.')) return null;
  const match = expertName.exec(name);
  if (!match) return null;
  const written = match[5]!;
  const projection = Object.hasOwn(projections, written) ? projections[written] : undefined;
  if (!projection) return null;
  const module = match[3]!.replace(/\.$/, '');
  // Shared experts of some families are numbered too ("shared_experts.0"); they are dense layers beside the routed ones.
  if (/(^|\.)shared$/.test(module)) return null;
  return {
    root: match[1]!,
    layer: Number(match[2]),
    module,
    expert: Number(match[4]),
    projection,
    written,
    suffix: match[6]!,
  };
}

/** Layer number, root and the rest of the name ("mlp.up_proj.weight") of any tensor inside a layer. */
export function parseLayerName(name: string): { root: string; layer: number; rest: string } | null {
  const match = layerName.exec(name);
  return match ? { root: match[1]!, layer: Number(match[2]), rest: match[3]! } : null;
}

/** Experts of a layer in one tensor (gpt-oss, some Llama 4 exports): named in messages, not read. */
export function isFusedExperts(rest: string): boolean {
  return /(^|\.)experts\.(gate_up_proj|down_proj|up_proj|gate_proj|w13|w2)([._]|$)/.test(rest);
}

const familyNames: readonly { name: string; modelTypes: readonly string[] }[] = [
  { name: 'Qwen3 MoE', modelTypes: ['qwen3_moe', 'qwen3_vl_moe', 'qwen3_omni_moe'] },
  { name: 'Qwen3-Next', modelTypes: ['qwen3_next'] },
  { name: 'Qwen3.5 MoE', modelTypes: ['qwen3_5_moe', 'qwen3_5_moe_text'] },
  { name: 'Nemotron-H', modelTypes: ['nemotron_h'] },
  { name: 'DeepSeek V3', modelTypes: ['deepseek_v3', 'deepseek_v32'] },
  { name: 'DeepSeek V4', modelTypes: ['deepseek_v4'] },
  { name: 'GLM MoE', modelTypes: ['glm4_moe', 'glm_moe_dsa', 'glm5_moe'] },
  { name: 'MiniMax', modelTypes: ['minimax_m2', 'minimax_m3', 'minimax'] },
  { name: 'Kimi K2', modelTypes: ['kimi_k2', 'kimi_k25'] },
  { name: 'gpt-oss', modelTypes: ['gpt_oss'] },
  { name: 'Llama 4', modelTypes: ['llama4', 'llama4_text'] },
  { name: 'Gemma 4', modelTypes: ['gemma4', 'gemma4_text'] },
  { name: 'Mixtral', modelTypes: ['mixtral'] },
];

/** Name for people; a model type that is not in the list is shown as it is. */
export function familyOf(modelType: string): string {
  return familyNames.find((family) => family.modelTypes.includes(modelType))?.name ?? (modelType || 'unknown');
}
