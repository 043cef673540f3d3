/** Pairs of answers that can be explained: from two sessions, or from a session and its re-run. */
import { AppError } from '../../contract/errors';
import type { ObservedPair, PairSide } from '../analysis/explain-pair';
import type { LayerRuntime } from '../run/runtime';
import { tapNames } from '../run/runtime';
import { isUnavailable, type RunPath } from '../run/source';
import type { ReplaySource } from './replay-source';

export interface PairChoice {
  /** batch of A; default: the first whose answers differ, else the first that can be compared */
  batch?: number | undefined;
  /** default: the path that A's batch took */
  pathA?: RunPath | undefined;
  pathB?: RunPath | undefined;
}

function decided(source: ReplaySource, batch: number): RunPath {
  return source.table.path(batch) === 'cutlass' ? 'cutlass' : 'b12x';
}

async function recordedSide(source: ReplaySource, batch: number, path: RunPath): Promise<PairSide> {
  const answer = await source.answer(batch, path, path);
  const name = `${source.path}, batch ${batch}, ${path}`;
  if (isUnavailable(answer)) throw new AppError({ code: 'unsupported', message: answer.reason, subject: name });
  return { name, side: path, path, tensors: answer.tensors, contract: source.contract };
}

async function pairOf(source: ReplaySource, runtime: LayerRuntime, batch: number, a: PairSide, b: PairSide) {
  const input = await source.input(batch);
  if (isUnavailable(input))
    throw new AppError({ code: 'unsupported', message: input.reason, subject: `batch ${batch} of ${source.path}` });
  const pair: ObservedPair = {
    ...{ a, b },
    batch: input,
    shape: source.shape,
    checkpoint: runtime.checkpoint,
    activationScales: source.activationScales,
    decide: (tokens, force) => runtime.decide(tokens, force),
  };
  return pair;
}

/** Batches of A and B with the same input, byte by byte, in A's order. */
async function equalInputs(a: ReplaySource, b: ReplaySource): Promise<[number, number][]> {
  const byInput = new Map<string, number[]>();
  for (let batch = 0; batch < b.table.length; batch++) {
    const { sha256 } = (await b.intent(batch)).input;
    byInput.set(sha256, [...(byInput.get(sha256) ?? []), batch]);
  }
  const pairs: [number, number][] = [];
  for (let batch = 0; batch < a.table.length; batch++) {
    const other = byInput.get((await a.intent(batch)).input.sha256)?.shift();
    if (other !== undefined) pairs.push([batch, other]);
  }
  return pairs;
}

async function answerHash(source: ReplaySource, batch: number, path: RunPath): Promise<string | null> {
  const found = (await source.result(batch)).answers.find(({ side, as }) => side === path && as === path);
  return found?.blob.sha256 ?? null;
}

/**
 * The pair of two sessions. @param runtime the layer of A
 * Throws `usage` when no batch of the two has the same input, `unsupported` when an answer was not recorded.
 */
export async function sessionPair(
  a: ReplaySource,
  b: ReplaySource,
  runtime: LayerRuntime,
  choice: PairChoice,
): Promise<ObservedPair> {
  const pairs = await equalInputs(a, b);
  const wanted = choice.batch === undefined ? pairs : pairs.filter(([batch]) => batch === choice.batch);
  const first = wanted[0];
  if (!first)
    throw new AppError({
      code: 'usage',
      message: 'The two sessions have no batch with the same input to explain.',
      subject: choice.batch === undefined ? `${a.path}, ${b.path}` : `batch ${choice.batch} of ${a.path}`,
      expected: 'equal x, topk_ids and topk_weights',
    });
  let chosen = first;
  for (const pair of wanted) {
    const pathA = choice.pathA ?? decided(a, pair[0]);
    const hashes = [await answerHash(a, pair[0], pathA), await answerHash(b, pair[1], choice.pathB ?? pathA)];
    if (hashes[0] === null || hashes[1] === null || hashes[0] === hashes[1]) continue;
    chosen = pair;
    break;
  }
  const pathA = choice.pathA ?? decided(a, chosen[0]);
  const left = await recordedSide(a, chosen[0], pathA);
  const right = await recordedSide(b, chosen[1], choice.pathB ?? pathA);
  return pairOf(a, runtime, chosen[0], left, right);
}

/** A recorded answer and the same batch run now on `runtime`. Throws as `sessionPair`, and what a run throws. */
export async function rerunPair(
  source: ReplaySource,
  runtime: LayerRuntime,
  choice: PairChoice,
): Promise<ObservedPair> {
  const batch = choice.batch ?? 0;
  if (batch >= source.table.length)
    throw new AppError({
      code: 'out-of-bounds',
      message: `${source.path} has no batch ${batch}.`,
      subject: '--batch',
      expected: `0 to ${source.table.length - 1}`,
      found: String(batch),
    });
  const pathA = choice.pathA ?? decided(source, batch);
  const left = await recordedSide(source, batch, pathA);
  const input = await source.input(batch);
  if (isUnavailable(input)) throw new AppError({ code: 'unsupported', message: input.reason, subject: source.path });
  const path = choice.pathB ?? pathA;
  const { tensors } = (await runtime.run(input, path, tapNames)).result;
  const { provider, version } = runtime.device;
  const right: PairSide = {
    name: `run again on ${provider} ${version}, ${path}`,
    ...{ side: path, path, tensors, contract: source.contract },
  };
  return pairOf(source, runtime, batch, left, right);
}
