/** What the rules look at: one layer's scales, read from its tensors, whether they come from a checkpoint, a run or a recording. */
import { AppError } from '../../contract/errors';
import type { HazardTensor } from '../../contract/hazards';
import type { Contract, LayerShape } from '../../contract/layer';
import type { NativeBinding, NativeTensor, RuleLimits, TaskOptions } from '../native/binding';
import type { LayoutEvidence } from '../native/block-census';
import type { SourceTensor } from '../run/source';
import { addStored, Census, e4m3Of, type Rounding } from './census';

export type ProjectionName = 'gate' | 'up' | 'down';

/** One projection of every expert. */
export interface ProjectionFacts {
  name: ProjectionName;
  /** "w13" or "w2": FC1's tensors hold up, then gate */
  tensor: 'w13' | 'w2';
  census: Census;
  layout: readonly LayoutEvidence[];
  /** weight_scale_2 by expert, small form, as merged */
  s2: Float32Array;
  /** input_scale by expert, small form; null for weight-only layers */
  input: Float32Array | null;
}

/** Gate and up with different global scales, as far as it is known: a recording has the merged ones only. */
export interface MergeFacts {
  rule: 'max' | 'column-0';
  differing: number;
  rescaledBlockScales: number;
  /** s2 of gate over s2 of up by expert; null where only the merged value is known */
  ratio: Float64Array | null;
  /** what the second rounding did to the scales of the smaller halves; null where their originals are not known */
  rounding: Rounding | null;
}

export interface LayerFacts {
  layer: number;
  shape: LayerShape;
  contract: Contract;
  quantization: 'nvfp4' | 'w4a16';
  /** the configuration says NVFP4 activations */
  meantActivations: boolean;
  /** shared input scales of FC1 and FC2, small form */
  a1: number | null;
  a2: number | null;
  merge: MergeFacts;
  projections: readonly ProjectionFacts[];
  /** most tokens that the dispatch sends to direct-micro; 0 = never, null = the rules are not known */
  directMicroTokens: number | null;
  rules: string;
  /** checkpoint, b12x and cutlass tensors of a prepared layer; null where no parameters were prepared */
  prepared: readonly SourceTensor[] | null;
  binding: NativeBinding;
}

export interface LayerOrigin {
  layer: number;
  shape: LayerShape;
  contract: Contract;
  quantization: 'nvfp4' | 'w4a16';
  meantActivations: boolean;
  merge: MergeFacts;
  /** limits of the dispatch; null where they are not known */
  rules: { id: string; limits: RuleLimits } | null;
  /** checkpoint tensors by name, and where there are some the prepared ones */
  tensors: readonly SourceTensor[];
}

const floats = (tensor: NativeTensor): Float32Array =>
  new Float32Array(tensor.read(0, tensor.info().bytes).slice().buffer);

/** @throws AppError `session-incomplete` where a recording has no block scales; `cancelled`. */
export async function layerFacts(
  binding: NativeBinding,
  origin: LayerOrigin,
  task: TaskOptions = {},
): Promise<LayerFacts> {
  const { shape, tensors } = origin;
  const find = (name: string) =>
    tensors.find((entry) => entry.set === 'checkpoint' && entry.name === name)?.tensor ?? null;
  const needed = (name: string) => {
    const tensor = find(name);
    if (tensor) return tensor;
    throw new AppError({
      code: 'session-incomplete',
      message: `There is no tensor ${name} to look at.`,
      subject: name,
      remedy: 'Record the session again: its scale tensors are recorded with the layer.',
    });
  };
  const e4m3 = e4m3Of(binding);
  const inputs = { w13: find('w13_input_scale'), w2: find('w2_input_scale') };
  const halves = shape.gated ? 2 : 1;
  const projection = async (
    name: ProjectionName,
    tensor: 'w13' | 'w2',
    row0: number,
    rows: number,
  ): Promise<ProjectionFacts> => {
    const scales = needed(`${tensor}_weight_scale`);
    const range = { row0, rows };
    const codes = find(`${tensor}_weight`);
    const input = inputs[tensor];
    // w13_input_scale is [E, 2] with columns (gate, up).
    const stride = tensor === 'w13' ? halves : 1;
    const column = name === 'up' ? halves - 1 : 0;
    const all = input && floats(input);
    return {
      name,
      tensor,
      census: new Census(await binding.blockCensus(scales, codes, range, task), e4m3, codes !== null),
      layout: await binding.layoutEvidence(scales, range, task),
      s2: floats(needed(`${tensor}_weight_scale_2`)),
      input: all && Float32Array.from({ length: shape.experts }, (_, expert) => all[expert * stride + column]!),
    };
  };
  const { hidden, intermediate, gated } = shape;
  const projections = [await projection('up', 'w13', 0, intermediate)];
  if (gated) projections.push(await projection('gate', 'w13', intermediate, intermediate));
  projections.push(await projection('down', 'w2', 0, hidden));
  const largest = (of: ProjectionFacts[]) => {
    const values = of.flatMap(({ input }) => (input ? [...input] : []));
    return values.length > 0 ? values.reduce((most, value) => Math.max(most, value), 0) : null;
  };
  return {
    layer: origin.layer,
    shape,
    contract: origin.contract,
    quantization: origin.quantization,
    meantActivations: origin.meantActivations,
    a1: largest(projections.filter(({ tensor }) => tensor === 'w13')),
    a2: largest(projections.filter(({ tensor }) => tensor === 'w2')),
    merge: origin.merge,
    projections,
    directMicroTokens: origin.rules && directMicroTokens(binding, shape, origin.rules.limits),
    rules: origin.rules?.id ?? '',
    prepared: tensors.some(({ set }) => set === 'b12x') ? tensors : null,
    binding,
  };
}

/** The most tokens with which the decision chain ends at direct-micro, asked of the chain itself. */
function directMicroTokens(binding: NativeBinding, shape: LayerShape, limits: RuleLimits): number {
  for (let tokens = limits.directMicroMaxTokens; tokens > 0; tokens--) {
    const { topK, experts, hidden, intermediate, gated } = shape;
    const decision = binding.decide({
      ...{ tokens, topK, experts, hidden, intermediate, gated, limits, origins: {} },
      threshold: 0,
      thresholdOrigin: { kind: 'default', where: 'pure b12x' },
      force: 'b12x',
    });
    if (decision.kernel === 'direct-micro') return tokens;
  }
  return 0;
}

/** Bins of the rho histogram: 448 / 2^-9 is below 2^18. */
const rhoBins = 18;

/** Block scales as stored, one row a projection. */
export function hazardTensors(facts: LayerFacts): HazardTensor[] {
  const { value } = e4m3Of(facts.binding);
  return facts.projections.map(({ name, tensor, census, s2 }) => {
    const { live, ...stored } = addStored(Array.from({ length: census.planes }, (_, plane) => census.stored(plane)));
    const rho = new Array<number>(rhoBins).fill(0);
    for (let byte = 1; byte < 0x7f; byte++) {
      const bin = Math.floor(Math.log2(448 / value[byte]!));
      for (let plane = 0; plane < census.planes; plane++) rho[bin]! += census.live(plane, byte);
    }
    return {
      layer: facts.layer,
      tensor: `checkpoint/${tensor}_weight_scale`,
      projection: name,
      liveBlocks: live,
      ...stored,
      rho,
      s2Min: Math.min(...s2),
      s2Max: Math.max(...s2),
    };
  });
}
