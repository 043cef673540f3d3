/** From the tensors of one layer to what must be read to build it; every lack or contradiction is a coded error. */
import { AppError } from '../../contract/errors';
import type { LayerShape } from '../../contract/layer';
import type { Projection } from './families';
import type { LayerGroup } from './layer-groups';
import type { ModelConfig } from './model-config';
import type { QuantizationInfo } from './quantization';
import type { CatalogTensor } from './safetensors/catalog';

/** The four tensors of one projection of every expert; `input` is null for weight-only layers. */
export interface ProjectionPlan {
  readonly packed: readonly CatalogTensor[]; // [E] U8 [N, K/2]
  readonly scale: readonly CatalogTensor[]; // [E] F8_E4M3 [N, K/16]
  readonly s2: readonly CatalogTensor[]; // [E] F32 scalar
  readonly input: readonly CatalogTensor[] | null; // [E] F32 scalar
}
export interface LayerPlan {
  readonly index: number;
  readonly prefix: string;
  readonly shape: LayerShape;
  readonly quantization: 'nvfp4' | 'w4a16';
  /** small: value * s (ModelOpt); large: value / s (compressed-tensors) */
  readonly convention: 'small' | 'large';
  readonly swigluAlpha: number;
  readonly swigluLimit: number;
  readonly gate: ProjectionPlan | null;
  readonly up: ProjectionPlan;
  readonly down: ProjectionPlan;
  readonly notes: readonly string[];
}

interface SuffixSet {
  convention: 'small' | 'large';
  packed: string;
  scale: string;
  s2: string;
  input: string;
}
/** The suffix decides which form a scalar has (domain 3.2); both exporters store block scales linearly. */
const suffixSets: readonly SuffixSet[] = [
  { convention: 'small', packed: 'weight', scale: 'weight_scale', s2: 'weight_scale_2', input: 'input_scale' },
  {
    convention: 'large',
    packed: 'weight_packed',
    scale: 'weight_scale',
    s2: 'weight_global_scale',
    input: 'input_global_scale',
  },
];

/** FP4 block length along K. */
const block = 16;

/** What the experts of a layer are by their dtypes, whatever the configuration says. */
export function storedAs(group: LayerGroup): { kind: 'nvfp4' | 'none' | 'other'; found: string } {
  const first = group.experts.values().next().value;
  const tensors = first?.projections.get('up') ?? first?.projections.get('down');
  const packed = tensors?.get('weight_packed') ?? tensors?.get('weight');
  if (!packed) return { kind: 'nvfp4', found: 'nothing' };
  const { dtype } = packed;
  // A global scale beside it means NVFP4 was meant; a wrong dtype is then an error of that tensor, found by planLayer.
  if (tensors?.has('weight_scale_2') || tensors?.has('weight_global_scale')) return { kind: 'nvfp4', found: dtype };
  if (dtype === 'BF16' || dtype === 'F16' || dtype === 'F32') return { kind: 'none', found: dtype };
  return { kind: dtype === 'U8' || dtype === 'F4' ? 'nvfp4' : 'other', found: dtype };
}

/**
 * @throws AppError `missing-expert`, `missing-tensor`, `wrong-dtype`, `wrong-shape`, `unsupported-shape`, `bad-config`,
 *   `unknown-quantization`, each naming the tensor or key.
 */
export function planLayer(group: LayerGroup, model: ModelConfig, quantization: QuantizationInfo): LayerPlan {
  const count = expertCount(group, model);
  const suffixes = suffixesOf(group);
  const gated = group.written.has('gate');
  const collect = new Collector(group, suffixes, count);
  const weightsOnly = !collect.anyInputScale();
  const shape = shapeOf(group, collect, model, count, gated);
  const { hidden: H, intermediate: I } = shape;
  const notes = notesOf(group, quantization, weightsOnly, shape, model);
  return {
    index: group.index,
    prefix: group.expertsPrefix!,
    shape,
    quantization: weightsOnly ? 'w4a16' : 'nvfp4',
    convention: suffixes.convention,
    swigluAlpha: model.swigluAlpha,
    swigluLimit: model.swigluLimit,
    gate: gated ? collect.projection('gate', I, H, weightsOnly) : null,
    up: collect.projection('up', I, H, weightsOnly),
    down: collect.projection('down', H, I, weightsOnly),
    notes,
  };
}

function expertCount(group: LayerGroup, model: ModelConfig): number {
  const highest = Math.max(...group.experts.keys());
  const count = model.experts ?? highest + 1;
  if (highest >= count) {
    throw new AppError({
      code: 'bad-config',
      message: `${group.expertsPrefix} has more experts than the configuration says.`,
      subject: `${group.expertsPrefix}.${highest}`,
      expected: `experts 0 to ${count - 1}`,
      found: `expert ${highest}`,
    });
  }
  for (let expert = 0; expert < count; expert++) {
    if (group.experts.has(expert)) continue;
    throw new AppError({
      code: 'missing-expert',
      message: `Expert ${expert} of layer ${group.index} is missing.`,
      subject: `${group.expertsPrefix}.${expert}`,
      expected: `${count} experts`,
      found: `${group.experts.size}`,
      remedy: 'Export the checkpoint again, or correct the number of experts in config.json.',
    });
  }
  return count;
}

function suffixesOf(group: LayerGroup): SuffixSet {
  const large = [...group.experts.values()].some((expert) =>
    [...expert.projections.values()].some((tensors) => tensors.has('weight_packed')),
  );
  return suffixSets[large ? 1 : 0]!;
}

/** Fetches tensors of a layer by expert and projection, checked. */
class Collector {
  constructor(
    private readonly group: LayerGroup,
    private readonly suffixes: SuffixSet,
    private readonly count: number,
  ) {}

  name(expert: number, projection: Projection, suffix: string): string {
    const fallback = { gate: 'gate_proj', up: 'up_proj', down: 'down_proj' }[projection];
    return `${this.group.expertsPrefix}.${expert}.${this.group.written.get(projection) ?? fallback}.${suffix}`;
  }

  tensor(expert: number, projection: Projection, suffix: string): CatalogTensor {
    const found = this.group.experts.get(expert)?.projections.get(projection)?.get(suffix);
    if (found) return found;
    const subject = this.name(expert, projection, suffix);
    const others = [...(this.group.experts.get(expert)?.projections.get(projection)?.keys() ?? [])];
    throw new AppError({
      code: 'missing-tensor',
      message: `Tensor ${subject} is missing.`,
      subject,
      found: others.length > 0 ? `only ${others.join(', ')}` : 'nothing of this projection',
      remedy: 'Export or download the checkpoint again.',
    });
  }

  packed(expert: number, projection: Projection): CatalogTensor {
    const tensor = this.tensor(expert, projection, this.suffixes.packed);
    // F4 counts elements in its shape, U8 bytes; both store two codes a byte.
    expectDtype(tensor, ['U8', 'F4']);
    return tensor;
  }

  anyInputScale(): boolean {
    for (const expert of this.group.experts.values()) {
      for (const tensors of expert.projections.values()) if (tensors.has(this.suffixes.input)) return true;
    }
    return false;
  }

  projection(projection: Projection, rows: number, columns: number, weightsOnly: boolean): ProjectionPlan {
    const experts = Array.from({ length: this.count }, (_, expert) => expert);
    const scalar = (suffix: string) => (expert: number) => {
      const tensor = this.tensor(expert, projection, suffix);
      expectDtype(tensor, ['F32']);
      if (tensor.end - tensor.begin !== 4) throw wrongShape(tensor, 'one F32: [] or [1]');
      return tensor;
    };
    return {
      packed: experts.map((expert) => {
        const tensor = this.packed(expert, projection);
        const stored = tensor.dtype === 'F4' ? columns : columns / 2;
        return expectShape(tensor, [rows, stored]);
      }),
      scale: experts.map((expert) => {
        const tensor = this.tensor(expert, projection, this.suffixes.scale);
        expectDtype(tensor, ['F8_E4M3']);
        return expectShape(tensor, [rows, columns / block]);
      }),
      s2: experts.map(scalar(this.suffixes.s2)),
      input: weightsOnly ? null : experts.map(scalar(this.suffixes.input)),
    };
  }
}

function shapeOf(
  group: LayerGroup,
  collect: Collector,
  model: ModelConfig,
  experts: number,
  gated: boolean,
): LayerShape {
  if (model.topK === null) {
    throw new AppError({
      code: 'bad-config',
      message: 'config.json does not say how many experts a token takes.',
      subject: 'num_experts_per_tok',
    });
  }
  if (model.activation === null) {
    throw new AppError({
      code: 'unsupported-shape',
      message: `Activation ${model.activationName} is not built in.`,
      subject: `hidden_act ${model.activationName}`,
      expected: 'silu, gelu_tanh, swigluoai or relu2',
      found: model.activationName,
    });
  }
  if (model.topK > experts) {
    throw new AppError({
      code: 'bad-config',
      message: `Layer ${group.index} has fewer experts than a token takes.`,
      subject: 'num_experts_per_tok',
      expected: `at most ${experts}`,
      found: String(model.topK),
    });
  }
  const first = collect.packed(0, 'up');
  if (first.shape.length !== 2) throw wrongShape(first, 'two dimensions');
  const stored = { rows: first.shape[0]!, columns: first.shape[1]! * (first.dtype === 'F4' ? 1 : 2) };
  const hidden = model.hidden ?? stored.columns;
  const intermediate = model.intermediate ?? stored.rows;
  for (const [name, value] of [
    ['intermediate size', intermediate],
    ['intermediate size', stored.rows],
    ['hidden size', hidden],
  ] as const) {
    if (value > 0 && value % block === 0) continue;
    throw new AppError({
      code: 'unsupported-shape',
      message: `The ${name} of ${group.expertsPrefix} is not a multiple of ${block}, the NVFP4 block.`,
      subject: group.expertsPrefix ?? group.prefix,
      expected: `a multiple of ${block}`,
      found: String(value),
    });
  }
  if (gated === (model.activation === 'relu2')) {
    throw new AppError({
      code: 'unsupported-shape',
      message: gated
        ? `${group.expertsPrefix} has gate projections, but relu2 is not gated.`
        : `${group.expertsPrefix} has no gate projections, but ${model.activation} is gated.`,
      subject: group.expertsPrefix ?? group.prefix,
      expected: gated ? 'up and down only' : 'gate, up and down',
    });
  }
  return { hidden, intermediate, experts, topK: model.topK, gated, activation: model.activation };
}

function notesOf(
  group: LayerGroup,
  quantization: QuantizationInfo,
  weightsOnly: boolean,
  shape: LayerShape,
  model: ModelConfig,
): string[] {
  const notes: string[] = [];
  const module = `${group.expertsPrefix}.0.${group.written.get('up') ?? 'up_proj'}`;
  const meant = quantization.exclude.matches(module) ? 'other' : quantization.expertAlgo(module);
  if (weightsOnly) {
    notes.push(
      'W4A16: the checkpoint has no input scales. The CUTLASS path (so any threshold above 0, and hybrid activation-alpha) and the contract clean cannot run; b12x with unit-alpha and weights-only can.',
    );
    if (meant === 'nvfp4')
      notes.push('The configuration says NVFP4 activations, but no input scale was exported; treated as weight-only.');
  } else if (meant === 'w4a16')
    notes.push('The configuration says weight-only, but input scales are there; they are used.');
  else if (meant === 'other')
    notes.push('The configuration says these experts are not NVFP4, but their tensors are; dtypes decide.');
  if (shape.intermediate % 128 !== 0)
    notes.push(
      `Intermediate size ${shape.intermediate} is padded to ${Math.ceil(shape.intermediate / 128) * 128} by b12x.`,
    );
  if (shape.activation !== 'swigluoai' && model.swigluLimit > 0)
    notes.push(
      `The model clamps its gated activation at ${model.swigluLimit} (swiglu_limit); providers here clamp only swigluoai, so large values differ.`,
    );
  const expert = group.experts.get(0);
  if (expert && [...expert.projections.values()].some((tensors) => tensors.has('bias')))
    notes.push('Expert biases are in the checkpoint and are not applied.');
  return notes;
}

function expectDtype(tensor: CatalogTensor, expected: readonly string[]): void {
  if (expected.includes(tensor.dtype)) return;
  throw new AppError({
    code: 'wrong-dtype',
    message: `Tensor ${tensor.name} has the wrong dtype.`,
    subject: tensor.name,
    expected: expected.join(' or '),
    found: tensor.dtype,
  });
}

function expectShape(tensor: CatalogTensor, expected: readonly number[]): CatalogTensor {
  if (tensor.shape.length === expected.length && expected.every((dim, i) => tensor.shape[i] === dim)) return tensor;
  throw wrongShape(tensor, `[${expected.join(', ')}]`);
}

function wrongShape(tensor: CatalogTensor, expected: string): AppError {
  return new AppError({
    code: 'wrong-shape',
    message: `Tensor ${tensor.name} has the wrong shape.`,
    subject: tensor.name,
    expected,
    found: `[${tensor.shape.join(', ')}]`,
  });
}
