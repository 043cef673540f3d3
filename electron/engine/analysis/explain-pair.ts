/** Two observed answers to one batch: compared stage by stage, and the squared error of the output shared out to causes. */
import type { Side, Stage } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { Contract, Decision, LayerShape } from '../../contract/layer';
import type { BatchTensors } from '../layer/wrapper';
import type { CancelFlag, CheckpointLayer, NativeBinding, NativeTensor } from '../native/binding';
import type { RunPath } from '../run/source';
import { compareAnswers, firstDivergingOf } from './diff';
import { type ErrorExplanation, explain } from './explain';

export interface PairSide {
  /** for messages: a session's batch, a file */
  name: string;
  side: Side;
  path: RunPath;
  tensors: Record<string, NativeTensor>;
  contract: Contract;
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
}

/**
 * Compares the stages that both sides have and explains ||y_a - y_b||^2. Both sides must be of one contract and neither may be
 * the fp64 reference: the causes are those of the two kernel families. Throws `unsupported`, `wrong-shape`, `cancelled`.
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
    origin: { kind: 'replay' as const, contract, activationScales },
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
    return { ...found, causes: [], interaction: 0, rest: 0, total: { energy: 0, nrmse: 0 } };
  if (a.contract !== b.contract || a.side === 'reference' || b.side === 'reference')
    throw new AppError({
      code: 'unsupported',
      message: 'Causes are known between the paths b12x and cutlass of one contract.',
      expected: 'two answers of b12x or cutlass under one contract',
      found: `${a.side} under ${a.contract}, ${b.side} under ${b.contract}`,
    });
  const { causes, interaction, rest, total } = await explain(
    { binding, checkpoint, contract: a.contract, decide },
    { a: { path: a.path, tensors: a.tensors }, b: { path: b.path, tensors: b.tensors } },
    batch,
    cancel ? { cancel } : {},
  );
  return { ...found, causes, interaction, rest, total };
}
