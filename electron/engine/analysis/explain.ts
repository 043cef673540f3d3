/**
 * How much of the squared error between two outputs each cause carries: one cause is undone at a time in a deterministic model
 * of the pipeline and everything is computed again (native/explain). Shares, interaction and rest sum to 1 by construction.
 */
import { AppError } from '../../contract/errors';
import type { CauseId, Deviation, Diagnosis, ExplainedCause } from '../../contract/explanation';
import type { Contract, Decision, ReferenceContract } from '../../contract/layer';
import type { BatchTensors } from '../layer/wrapper';
import type { CancelFlag, CheckpointLayer, NativeTensor } from '../native/binding';
import type { Attribution, ExplainBinding, ModelledPath } from '../native/explain-binding';
import { causeTexts } from './explain-causes';

export interface ExplainContext {
  binding: ExplainBinding;
  checkpoint: CheckpointLayer;
  contract: Contract;
  /** the dispatch decision for a forced path: gives kernel and tiles */
  decide: (tokens: number, force: 'b12x' | 'cutlass') => Decision;
}

/** One side of a pair. `tensors`: "y" and known taps as observed; absent: what the model of this path gives. */
export interface ObservedSide {
  path: 'b12x' | 'cutlass';
  /** default: the context's */
  contract?: Contract | ReferenceContract;
  /** the fp64 reference with the scales of `path`; it has no pipeline to deviate from */
  reference?: boolean;
  tensors?: Record<string, NativeTensor>;
}

export interface ExplainOptions {
  /** of the bootstrap and of the orders that make up the noise floor; default 1 */
  seed?: number;
  /** bootstrap resamples of the tokens; default 1000 */
  resamples?: number;
  cancel?: CancelFlag;
  /** told before each part begins; `side`: which one is diagnosed */
  onPart?: (part: 'diagnosis' | 'attribution', side: 'a' | 'b') => void;
}

export interface ErrorExplanation {
  /** largest share first */
  causes: ExplainedCause[];
  /** 1 - sum of shares - rest */
  interaction: number;
  /** share that is left when every cause is undone: not explained */
  rest: number;
  /** E = ||y_A - y_B||^2, and sqrt(E) / ||y_B|| */
  total: { energy: number; nrmse: number };
  /** of side A against its documented pipeline, where A was observed and is not the reference */
  diagnosis: Diagnosis | null;
  /** the same of side B */
  diagnosisB: Diagnosis | null;
}

/**
 * Explains ||y_A - y_B||^2 of one batch. Causes are those in which the documented pipelines of the two sides differ, and
 * those that a side has beyond its documented pipeline as far as its observed tensors show it (`diagnose`).
 * @throws AppError / NativeError `unsupported` for a layer without input scales (W4A16: no CUTLASS path) and for the contracts
 *   ideal-per-expert and weights-only, which have no model; `wrong-shape` for a tensor that does not fit the batch, `cancelled`
 */
export async function explain(
  context: ExplainContext,
  { a, b }: { a: ObservedSide; b: ObservedSide },
  batch: BatchTensors,
  options: ExplainOptions = {},
): Promise<ErrorExplanation> {
  const { binding, checkpoint, contract } = context;
  const { seed = 1, resamples = 1000, cancel, onPart } = options;
  const input = { ...batch, ...(cancel && { cancel }), checkpoint, contract, seed };
  const diagnosed = async (name: 'a' | 'b', side: ObservedSide): Promise<Diagnosis | null> => {
    if (!side.tensors || side.reference) return null;
    onPart?.('diagnosis', name);
    return binding.diagnose({ ...input, model: modelled(context, batch.tokens, side), observed: side.tensors });
  };
  const models = { a: modelled(context, batch.tokens, a), b: modelled(context, batch.tokens, b) };
  const diagnosis = await diagnosed('a', a);
  const diagnosisB = await diagnosed('b', b);
  const deviations = { a: deviationsOf(diagnosis), b: deviationsOf(diagnosisB) };
  onPart?.('attribution', 'a');
  const attribution = await binding.attribute({
    ...input,
    ...models,
    resamples,
    deviations: deviations.a,
    deviationsB: deviations.b,
    ...observedOutput('observedA', a),
    ...observedOutput('observedB', b),
  });
  const faults = new Set([...deviations.a, ...deviations.b].map(({ cause }) => cause));
  return { ...summarize(attribution, faults), diagnosis, diagnosisB };
}

function deviationsOf(diagnosis: Diagnosis | null): Deviation[] {
  return (diagnosis?.deviations ?? []).map(({ cause, site, variant }) => ({ cause, site, variant }));
}

function modelled(context: ExplainContext, tokens: number, side: ObservedSide): ModelledPath {
  const { path, contract = context.contract, reference = false } = side;
  const { kernel, tileM, tileN } = context.decide(tokens, path);
  return { path, kernel, tileM, tileN, contract, reference };
}

function observedOutput<Key extends string>(key: Key, side: ObservedSide): { [K in Key]?: NativeTensor } {
  if (!side.tensors) return {};
  const y = side.tensors.y;
  if (!y)
    throw new AppError({
      code: 'usage',
      message: `The observed ${side.path} side has no output tensor "y".`,
      subject: key,
    });
  return { [key]: y } as { [K in Key]?: NativeTensor };
}

function summarize(
  { causes, interaction, rest, total }: Attribution,
  faults: ReadonlySet<CauseId>,
): Omit<ErrorExplanation, 'diagnosis' | 'diagnosisB'> {
  return {
    causes: causes
      .map((cause) => ({ ...cause, ...causeTexts[cause.id], fault: faults.has(cause.id) }))
      .sort((first, second) => second.share - first.share),
    interaction,
    rest,
    total,
  };
}
