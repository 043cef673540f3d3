/** Why the two answers of one batch differ, for a window: observed where a provider ran or a session recorded them. */
import type { Side, Stage } from '../../contract/batch';
import { stages } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { Deviation, Diagnosis, DiffExplanation } from '../../contract/explanation';
import type { CancelFlag, NativeBinding } from '../native/binding';
import { outputOf } from '../run/rerun-path';
import { type Answer, isUnavailable, type Source } from '../run/source';
import { bothAnswers, whyNotExplained } from './diff';
import { explain } from './explain';
import { causeTexts } from './explain-causes';
import { tapsOf } from './stage-tensors';

export interface ExplainBatchHooks {
  signal: AbortSignal;
  cancel: CancelFlag;
  progress(label: string, done: number, total: number): void;
}

/**
 * Shares of ||y_a - y_b||^2 by cause, and whether `a` follows its documented pipeline in every stage that is known of it.
 * @throws AppError `unsupported` with the reason that `diff.stages` gives in `cannot.explain`, `cancelled`; what opening the
 *   layer of a recording throws
 */
export async function explainBatch(
  binding: NativeBinding,
  source: Source,
  request: { batch: number; a: Side; b: Side },
  { signal, cancel, progress }: ExplainBatchHooks,
): Promise<DiffExplanation> {
  const { batch, a, b } = request;
  const [first, second] = await bothAnswers(source, request, cancel);
  const reason = await whyNotExplained(source, batch, first, second);
  const input = await source.input(batch);
  if (reason !== '' || isUnavailable(first) || isUnavailable(second) || isUnavailable(input))
    throw new AppError({ code: 'unsupported', message: reason, subject: `batch ${batch}` });
  const observed = observedStages(first);
  const head = { batch, a, b, tokens: input.tokens, observed };
  const { maxAbs, nanA, nanB } = await binding.compare(outputOf(first.tensors), outputOf(second.tensors), {
    rtol: 0,
    atol: 0,
    worst: 0,
  });
  if (maxAbs === 0 && nanA === 0 && nanB === 0)
    return { ...head, causes: [], interaction: 0, rest: 0, total: { energy: 0, nrmse: 0 }, diagnosis: null, layer: '' };
  const loading = (done: number, total: number) => progress('loading the recorded layer', done, total);
  const model = await source.modelLayer({ cancel, onProgress: loading }, signal);
  try {
    if (signal.aborted) throw new AppError({ code: 'cancelled', message: 'Measuring causes was cancelled.' });
    const found = await explain(
      { binding, checkpoint: model.checkpoint, contract: source.contract, decide: model.decide },
      { a: { path: first.path, tensors: first.tensors }, b: { path: second.path, tensors: second.tensors } },
      input,
      {
        cancel,
        onPart: (part) =>
          part === 'diagnosis'
            ? progress(`${a} against its documented pipeline`, 0, 2)
            : progress('undoing one cause at a time', 1, 2),
      },
    );
    return { ...head, ...found, diagnosis: found.diagnosis && inWords(found.diagnosis), layer: model.from };
  } finally {
    await model.close();
  }
}

function inWords({ deviations, segments }: Diagnosis): DiffExplanation['diagnosis'] {
  const named = <T extends Deviation>(one: T) => ({ ...one, name: causeTexts[one.cause].name });
  return {
    segments,
    deviations: deviations.map((one) => ({ ...named(one), alternatives: one.alternatives.map(named) })),
  };
}

/** Stages of which an answer has every tap. */
function observedStages({ tensors }: Answer): Stage[] {
  return stages.filter((stage) => tapsOf[stage].every((tap) => tensors[tap] !== undefined));
}
