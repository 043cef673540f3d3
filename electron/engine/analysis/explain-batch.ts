/** Why the two answers of one batch differ, for a window: observed where a provider ran or a session recorded them. */
import type { Side } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { Deviation, Diagnosis, DiffExplanation, NamedDiagnosis } from '../../contract/explanation';
import type { CancelFlag, NativeBinding } from '../native/binding';
import { outputOf } from '../run/rerun-path';
import { type Answer, isUnavailable, type Source } from '../run/source';
import { bothAnswers, whyNotExplained } from './diff';
import { explain } from './explain';
import { causeTexts } from './explain-causes';

export interface ExplainBatchHooks {
  signal: AbortSignal;
  cancel: CancelFlag;
  progress(label: string, done: number, total: number): void;
}

/**
 * Shares of ||y_a - y_b||^2 by cause, and whether each side follows its documented pipeline in every stage known of it.
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
  const head = { batch, a, b, tokens: input.tokens };
  const { maxAbs, nanA, nanB } = await binding.compare(outputOf(first.tensors), outputOf(second.tensors), {
    rtol: 0,
    atol: 0,
    worst: 0,
  });
  if (maxAbs === 0 && nanA === 0 && nanB === 0)
    return {
      ...head,
      causes: [],
      interaction: 0,
      rest: 0,
      total: { energy: 0, nrmse: 0 },
      diagnosis: { a: null, b: null },
      layer: '',
    };
  const loading = (done: number, total: number) => progress('loading the recorded layer', done, total);
  const model = await source.modelLayer({ cancel, onProgress: loading }, signal);
  try {
    if (signal.aborted) throw new AppError({ code: 'cancelled', message: 'Measuring causes was cancelled.' });
    const observed = ({ path, side, tensors }: Answer) => ({ path, tensors, reference: side === 'reference' });
    const diagnosed = [a, b].filter((side) => side !== 'reference').length;
    let done = 0;
    const found = await explain(
      { binding, checkpoint: model.checkpoint, contract: source.contract, decide: model.decide },
      { a: observed(first), b: observed(second) },
      input,
      {
        cancel,
        onPart: (part, side) => {
          const label = `${side === 'a' ? a : b} against its documented pipeline`;
          progress(part === 'diagnosis' ? label : 'undoing one cause at a time', done++, diagnosed + 1);
        },
      },
    );
    const { diagnosis, diagnosisB, ...shares } = found;
    return { ...head, ...shares, diagnosis: { a: inWords(diagnosis), b: inWords(diagnosisB) }, layer: model.from };
  } finally {
    await model.close();
  }
}

function inWords(diagnosis: Diagnosis | null): NamedDiagnosis | null {
  if (!diagnosis) return null;
  const { deviations, segments } = diagnosis;
  const named = <T extends Deviation>(one: T) => ({ ...one, name: causeTexts[one.cause].name });
  return {
    segments,
    deviations: deviations.map((one) => ({ ...named(one), alternatives: one.alternatives.map(named) })),
  };
}
