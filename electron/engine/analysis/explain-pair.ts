/** Two observed answers to one batch: compared stage by stage, and the squared error of the output shared out to causes. */
import type { Side, Stage } from '../../contract/batch';
import type { Diagnosis } from '../../contract/explanation';
import type { Contract, Decision, LayerShape, ReferenceContract } from '../../contract/layer';
import type { BatchTensors } from '../layer/wrapper';
import type { CancelFlag, CheckpointLayer, NativeBinding, NativeTensor } from '../native/binding';
import type { RunPath } from '../run/source';
import { compareAnswers, firstDivergingOf } from './diff';
import { type ErrorExplanation, explain } from './explain';

export interface PairSide {
  /** for messages: a session's batch, a file */
  name: string;
  side: Side;
  /** of the reference: the one whose scales it has */
  path: RunPath;
  tensors: Record<string, NativeTensor>;
  contract: Contract | ReferenceContract;
}

export interface ObservedPair {
  a: PairSide;
  b: PairSide;
  batch: BatchTensors;
  shape: LayerShape;
  checkpoint: CheckpointLayer;
  activationScales: { a1: number | null; a2: number | null };
  decide: (tokens: number, force: RunPath) => Decision;
}

export interface PairExplanation {
  a: string;
  b: string;
  stages: Awaited<ReturnType<typeof compareAnswers>>;
  first_diverging: Stage | null;
  causes: ErrorExplanation['causes'];
  interaction: number;
  rest: number;
  total: ErrorExplanation['total'];
  /** each side against its documented pipeline; null for the reference, and where the outputs are equal */
  diagnosis: { a: Diagnosis | null; b: Diagnosis | null };
}

/**
 * Compares the stages that both sides have and explains ||y_a - y_b||^2, each side under its own contract.
 * Throws `unsupported` for a side that has no model (contracts ideal-per-expert and weights-only), `wrong-shape`, `cancelled`.
 */
export async function explainPair(
  binding: NativeBinding,
  pair: ObservedPair,
  tolerance: { rtol: number; atol: number },
  cancel?: CancelFlag,
): Promise<PairExplanation> {
  const { a, b, batch, shape, checkpoint, activationScales, decide } = pair;
  const { tokens, topkIds } = batch;
  const compared = ({ side, path, tensors, contract }: PairSide) => ({
    ...{ side, path, tensors },
    origin: { kind: 'replay' as const, contract: scalesOf(contract), activationScales },
  });
  const routing = { ids: topkIds, tokens, topK: shape.topK, experts: shape.experts };
  const stages = await compareAnswers(binding, compared(a), compared(b), tolerance, routing);
  const found = {
    a: a.name,
    b: b.name,
    stages,
    first_diverging: firstDivergingOf(stages),
  };
  const output = stages[stages.length - 1]?.comparison;
  if (output && output.maxAbs === 0 && output.nanA === 0 && output.nanB === 0)
    return {
      ...{ ...found, causes: [], interaction: 0, rest: 0, total: { energy: 0, nrmse: 0 } },
      diagnosis: { a: null, b: null },
    };
  const modelled = ({ side, path, contract, tensors }: PairSide) => ({
    ...{ path, contract, tensors, reference: side === 'reference' },
  });
  const { causes, interaction, rest, total, diagnosis, diagnosisB } = await explain(
    { binding, checkpoint, contract: 'clean', decide },
    { a: modelled(a), b: modelled(b) },
    batch,
    cancel ? { cancel } : {},
  );
  return { ...found, causes, interaction, rest, total, diagnosis: { a: diagnosis, b: diagnosisB } };
}

/** The contract with whose global scales activations were quantized: the reference's own take the checkpoint's, as `clean`. */
function scalesOf(contract: Contract | ReferenceContract): Contract {
  return contract === 'unit-alpha' || contract === 'activation-alpha' ? contract : 'clean';
}
