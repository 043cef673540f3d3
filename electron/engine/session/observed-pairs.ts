/** Pairs of answers that can be explained: from two sessions, or from a session and its re-run. */
import type { Side } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { ObservedPair, PairSide } from '../analysis/explain-pair';
import type { LayerRuntime } from '../run/runtime';
import { tapNames } from '../run/runtime';
import { isUnavailable, type RunPath } from '../run/source';
import type { ReplaySource } from './replay-source';

export interface PairChoice {
  /** batch of A; default: the first whose answers differ, else the first that can be compared */
  batch?: number | undefined;
  /** default: the path that A's batch took; of B: A's. The reference has the scales of the other side's path */
  pathA?: Side | undefined;
  pathB?: Side | undefined;
}

function decided(source: ReplaySource, batch: number): RunPath {
  return source.table.path(batch) === 'cutlass' ? 'cutlass' : 'b12x';
}

/** Which answer of a batch a side of the pair is. */
interface Chosen {
  side: Side;
  path: RunPath;
}

function chosenSides({ pathA, pathB }: PairChoice, taken: RunPath): { a: Chosen; b: Chosen } {
  const a = pathA ?? taken;
  const b = pathB ?? a;
  const known = [a, b].find((side) => side !== 'reference') ?? taken;
  const chosen = (side: Side): Chosen => ({ side, path: side === 'reference' ? (known as RunPath) : side });
  return { a: chosen(a), b: chosen(b) };
}

const sideName = ({ side, path }: Chosen) => (side === 'reference' ? `reference as ${path}` : side);

async function recordedSide(source: ReplaySource, batch: number, chosen: Chosen): Promise<PairSide> {
  const answer = await source.answer(batch, chosen.side, chosen.path);
  const name = `${source.path}, batch ${batch}, ${sideName(chosen)}, ${source.contract}`;
  if (isUnavailable(answer)) throw new AppError({ code: 'unsupported', message: answer.reason, subject: name });
  return { name, ...chosen, tensors: answer.tensors, contract: source.contract };
}

/** The contract of the two may differ, the layer not. */
function requireOneLayer(a: ReplaySource, b: ReplaySource): void {
  const facts = ({ environment }: ReplaySource) => {
    const { index, shape, merge, a1, a2, s2Min, s2Max } = environment.layer;
    return JSON.stringify({ index, shape, merge, a1, a2, s2Min, s2Max });
  };
  if (facts(a) === facts(b)) return;
  throw new AppError({
    code: 'bad-config',
    message: 'The two sessions were recorded on different layers: their difference has no causes to tell.',
    subject: b.path,
    expected: `the layer of ${a.path}: ${facts(a)}`,
    found: facts(b),
  });
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

async function answerHash(source: ReplaySource, batch: number, { side, path }: Chosen): Promise<string | null> {
  const found = (await source.result(batch)).answers.find((answer) => answer.side === side && answer.as === path);
  return found?.blob.sha256 ?? null;
}

/**
 * The pair of two sessions. @param runtime the layer of A
 * Throws `usage` when no batch of the two has the same input, `unsupported` when an answer was not recorded, `bad-config` when
 * the layers differ.
 */
export async function sessionPair(
  a: ReplaySource,
  b: ReplaySource,
  runtime: LayerRuntime,
  choice: PairChoice,
): Promise<ObservedPair> {
  requireOneLayer(a, b);
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
    const sides = chosenSides(choice, decided(a, pair[0]));
    const hashes = [await answerHash(a, pair[0], sides.a), await answerHash(b, pair[1], sides.b)];
    if (hashes[0] === null || hashes[1] === null || hashes[0] === hashes[1]) continue;
    chosen = pair;
    break;
  }
  const sides = chosenSides(choice, decided(a, chosen[0]));
  const left = await recordedSide(a, chosen[0], sides.a);
  const right = await recordedSide(b, chosen[1], sides.b);
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
  const sides = chosenSides(choice, decided(source, batch));
  const left = await recordedSide(source, batch, sides.a);
  const input = await source.input(batch);
  if (isUnavailable(input)) throw new AppError({ code: 'unsupported', message: input.reason, subject: source.path });
  const { side, path } = sides.b;
  const { tensors } =
    side === 'reference'
      ? await runtime.runReference(input, path, tapNames)
      : (await runtime.run(input, path, tapNames)).result;
  const { provider, version } = runtime.device;
  const on = side === 'reference' ? 'in fp64' : `again on ${provider} ${version}`;
  const right: PairSide = {
    name: `run ${on}, ${sideName(sides.b)}, ${source.contract}`,
    ...{ side, path, tensors, contract: source.contract },
  };
  return pairOf(source, runtime, batch, left, right);
}
