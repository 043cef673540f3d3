/** The keys of config.json that describe MoE layers, whatever family wrote them. */
import { AppError } from '../../contract/errors';
import type { Activation, Routing } from '../../contract/layer';
import { isObject } from './file-errors';

export interface ModelConfig {
  readonly modelType: string;
  /** width of FC1's input: the latent size where the model has one, else the hidden size; null when not written */
  readonly hidden: number | null;
  readonly intermediate: number | null;
  readonly experts: number | null;
  readonly topK: number | null;
  readonly activation: Activation | null;
  /** as written, for messages */
  readonly activationName: string;
  readonly swigluAlpha: number;
  /** 0 = none */
  readonly swigluLimit: number;
  readonly routing: Routing;
  readonly warnings: readonly string[];
}

/** gpt-oss and FlashInfer's swigluoai: alpha 1.702, limit 7 (SM12X/moe_activation.py). */
const swigluOai = { alpha: 1.702, limit: 7 };

const activationNames: Readonly<Record<string, Activation>> = {
  silu: 'silu',
  swish: 'silu',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_tanh: 'gelu_tanh',
  swigluoai: 'swigluoai',
  relu2: 'relu2',
};

/** Places of the language model's part in a configuration of a multimodal model, most specific first. */
const nestedParts = ['text_config', 'language_config', 'llm_config'];

class Keys {
  private readonly parts: Record<string, unknown>[];

  constructor(
    config: Record<string, unknown>,
    private readonly path: string,
  ) {
    this.parts = [...nestedParts.map((name) => config[name]).filter(isObject), config];
  }

  find(names: readonly string[]): { name: string; value: unknown } | null {
    for (const part of this.parts) {
      for (const name of names) {
        const value = part[name];
        if (value !== undefined && value !== null) return { name, value };
      }
    }
    return null;
  }

  /** A positive whole number, or null when no key is written. */
  count(...names: string[]): number | null {
    const found = this.find(names);
    if (!found) return null;
    if (typeof found.value === 'number' && Number.isSafeInteger(found.value) && found.value > 0) return found.value;
    throw this.bad(found.name, 'a whole number above 0', found.value);
  }

  number(fallback: number, ...names: string[]): number {
    const found = this.find(names);
    if (!found) return fallback;
    if (typeof found.value === 'number' && Number.isFinite(found.value)) return found.value;
    throw this.bad(found.name, 'a number', found.value);
  }

  text(...names: string[]): string {
    const value = this.find(names)?.value;
    return typeof value === 'string' ? value : '';
  }

  bad(name: string, expected: string, found: unknown): AppError {
    return new AppError({
      code: 'bad-config',
      message: `${name} in ${this.path} is not ${expected}.`,
      subject: `${name} in ${this.path}`,
      expected,
      found: JSON.stringify(found) ?? 'nothing',
    });
  }
}

/**
 * @param hasCorrectionBias whether the checkpoint has an e_score_correction_bias, which only sigmoid routers have
 * @throws AppError `bad-config` naming the key, among others when top-k is larger than the number of experts.
 */
export function readModelConfig(
  config: Record<string, unknown>,
  path: string,
  hasCorrectionBias: boolean,
): ModelConfig {
  const keys = new Keys(config, path);
  const modelType = keys.text('model_type');
  const experts = keys.count('num_local_experts', 'num_experts', 'n_routed_experts', 'moe_num_experts');
  const topK = keys.count('num_experts_per_tok', 'top_k_experts', 'num_experts_per_token', 'moe_topk', 'moe_top_k');
  if (experts !== null && topK !== null && topK > experts) {
    throw new AppError({
      code: 'bad-config',
      message: `${path} routes each token to more experts than there are.`,
      subject: `num_experts_per_tok in ${path}`,
      expected: `at most ${experts} (the number of experts)`,
      found: String(topK),
    });
  }
  const warnings: string[] = [];
  const activationName = keys.text('mlp_hidden_act', 'hidden_act', 'hidden_activation') || 'silu';
  const known = Object.hasOwn(activationNames, activationName) ? activationNames[activationName] : undefined;
  // gpt-oss writes "silu" for its clamped variant.
  const activation = modelType === 'gpt_oss' ? 'swigluoai' : (known ?? null);
  const limit = keys.number(activation === 'swigluoai' ? swigluOai.limit : 0, 'swiglu_limit');
  return {
    modelType,
    hidden: keys.count('moe_latent_size') ?? keys.count('hidden_size'),
    intermediate: keys.count('moe_intermediate_size', 'expert_intermediate_size'),
    experts,
    topK,
    activation,
    activationName,
    swigluAlpha: keys.number(swigluOai.alpha, 'swiglu_alpha'),
    swigluLimit: limit,
    routing: readRouting(keys, hasCorrectionBias, warnings),
    warnings,
  };
}

function readRouting(keys: Keys, hasCorrectionBias: boolean, warnings: string[]): Routing {
  const written = keys.text('scoring_func', 'score_function', 'router_score_function');
  if (written && written !== 'softmax' && written !== 'sigmoid') {
    warnings.push(
      `Router scoring ${written} is not built in; generated workloads use sigmoid instead. Given topk_ids are not affected.`,
    );
  }
  const sigmoid = written ? written !== 'softmax' : hasCorrectionBias;
  return {
    scoring: sigmoid ? 'sigmoid' : 'softmax',
    renormalize: keys.find(['norm_topk_prob'])?.value !== false,
    scale: keys.number(1, 'routed_scaling_factor', 'router_scaling_factor'),
    groups: keys.count('n_group') ?? 1,
    topGroups: keys.count('topk_group') ?? 1,
    correctionBias: hasCorrectionBias,
  };
}
