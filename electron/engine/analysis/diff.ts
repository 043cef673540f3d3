/** Two answers to one batch, stage by stage: where they part and by how much. */
import type { z } from 'zod';
import {
  type Diff,
  type Side,
  type Stage,
  type StageComparison,
  type StageDiffSchema,
  stages,
  type WorstElementSchema,
} from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { CancelFlag, Comparison, NativeBinding, NativeTensor, Tile, TileRequest } from '../native/binding';
import { type Answer, isUnavailable, type RunPath, type Source, type Unavailable } from '../run/source';
import { type StageOrigin, stageShape, stageTensor, tapsOf } from './stage-tensors';

type StageDiff = z.infer<typeof StageDiffSchema>;
type WorstElement = z.infer<typeof WorstElementSchema>;

export interface DiffRequest {
  batch: number;
  a: Side;
  b: Side;
  /** an element agrees when |a - b| <= atol + rtol * |b| */
  rtol: number;
  atol: number;
}

const worstShown = 32;

/** The path whose scales a side of a pair has; the reference answers for the path that it is compared with. */
export function pathOf(side: Side, other: Side, ran: RunPath): RunPath {
  if (side !== 'reference') return side;
  return other === 'reference' ? ran : other;
}

/** The path that the batch was decided to take. */
export function ranPath(source: Source, batch: number): RunPath {
  return source.table.path(batch) === 'cutlass' ? 'cutlass' : 'b12x';
}

export async function bothAnswers(
  source: Source,
  { batch, a, b }: Pick<DiffRequest, 'batch' | 'a' | 'b'>,
  cancel?: CancelFlag,
) {
  const ran = ranPath(source, batch);
  const first = await source.answer(batch, a, pathOf(a, b, ran), true, cancel);
  const second = await source.answer(batch, b, pathOf(b, a, ran), true, cancel);
  return [first, second] as const;
}

/** Compares a pair over all stages. What cannot be compared says why in its stage; nothing throws for a missing tap. */
export async function diffStages(
  binding: NativeBinding,
  source: Source,
  request: DiffRequest,
  cancel?: CancelFlag,
): Promise<Diff> {
  const { batch, a, b, rtol, atol } = request;
  const [first, second] = await bothAnswers(source, request, cancel);
  const result: StageDiff[] = [];
  if (isUnavailable(first) || isUnavailable(second)) {
    const reason = isUnavailable(first) ? first.reason : isUnavailable(second) ? second.reason : '';
    for (const stage of stages) result.push(without(stage, reason));
  } else {
    const routing = await topkOf(source, batch);
    const compared = await compareAnswers(
      binding,
      { ...first, origin: source },
      { ...second, origin: source },
      request,
      routing,
    );
    result.push(...compared);
  }
  return {
    batch,
    a,
    b,
    rtol,
    atol,
    stages: result,
    firstDiverging: firstDivergingOf(result),
    cannot: {
      explain: await whyNotExplained(source, batch, first, second),
      repeat: whyNotRepeated(source, a, b),
    },
    recorded: await recordedCauses(source, batch, a, b),
    provenance: [first, second].flatMap((answer) => (isUnavailable(answer) ? [] : [answer.provenance])),
  };
}

/** Why the causes of a pair of answers cannot be measured; empty when they can. */
export async function whyNotExplained(
  source: Source,
  batch: number,
  a: Answer | Unavailable,
  b: Answer | Unavailable,
): Promise<string> {
  const noModel = await source.whyNoModel();
  if (noModel !== '') return noModel;
  for (const answer of [a, b]) {
    if (isUnavailable(answer)) return answer.reason;
  }
  const input = await source.input(batch);
  return isUnavailable(input) ? input.reason : '';
}

/** Why the sides of a pair cannot be run again; empty when they can. The reference is exact and needs no run. */
function whyNotRepeated(source: Source, a: Side, b: Side): string {
  const reasons = [a, b].map((side) => (side === 'reference' ? '' : source.whyNot(side)));
  return reasons.find((reason) => reason !== '') ?? '';
}

async function recordedCauses(source: Source, batch: number, a: Side, b: Side): Promise<Diff['recorded']> {
  if (source.kind !== 'replay' || a === b || a === 'reference' || b === 'reference') return null;
  const found = await source.counterfactuals(batch);
  return isUnavailable(found) ? null : found;
}

/** One side of a comparison, and what its stages are read by. */
export interface ComparedSide extends Pick<Answer, 'side' | 'path' | 'tensors'> {
  origin: StageOrigin;
}

/** Every stage of two answers to one batch. What cannot be compared says why in its stage. */
export async function compareAnswers(
  binding: NativeBinding,
  a: ComparedSide,
  b: ComparedSide,
  tolerance: Pick<DiffRequest, 'rtol' | 'atol'>,
  routing: Topk,
): Promise<StageDiff[]> {
  const result: StageDiff[] = [];
  for (const stage of stages) result.push(await compareStage(binding, stage, a, b, tolerance, routing));
  return result;
}

/** The first stage whose share within tolerance is below 1. */
export function firstDivergingOf(compared: readonly StageDiff[]): Stage | null {
  return compared.find(({ comparison }) => comparison !== null && comparison.withinTolerance < 1)?.stage ?? null;
}

function without(stage: Stage, reason: string): StageDiff {
  return { stage, rows: 0, columns: 0, comparison: null, reason, worst: [] };
}

/** How the batch was routed; `ids` null where that is not known. */
export interface Topk {
  ids: Int32Array | null;
  tokens: number;
  topK: number;
  experts: number;
}

async function topkOf(source: Source, batch: number): Promise<Topk> {
  const input = await source.input(batch);
  return {
    ids: isUnavailable(input) ? null : input.topkIds,
    tokens: source.table.tokens(batch),
    topK: source.shape.topK,
    experts: source.shape.experts,
  };
}

async function compareStage(
  binding: NativeBinding,
  stage: Stage,
  a: ComparedSide,
  b: ComparedSide,
  { rtol, atol }: Pick<DiffRequest, 'rtol' | 'atol'>,
  routing: Topk,
): Promise<StageDiff> {
  const left = await stageTensor(binding, a.origin, a, stage);
  if (isUnavailable(left)) return without(stage, left.reason);
  const right = await stageTensor(binding, b.origin, b, stage);
  if (isUnavailable(right)) return without(stage, right.reason);
  const shape = stageShape(left);
  const other = stageShape(right);
  if (shape.rows !== other.rows || shape.columns !== other.columns) {
    return without(
      stage,
      `${a.side} has ${shape.rows} x ${shape.columns} elements here, ${b.side} ${other.rows} x ${other.columns}.`,
    );
  }
  const comparison = await binding.compare(left, right, { rtol, atol, worst: worstShown });
  const { count, maxAbs, nrmse, cosine, pcc, withinTolerance, bestScale, nanA, nanB, ulpHistogram } = comparison;
  const experts = await expertComparisons(binding, left, right, shape.rows, routing);
  const codes = await codeComparison(binding, a, b, stage);
  return {
    stage,
    ...shape,
    comparison: {
      ...{ count, maxAbs, nrmse, cosine, pcc, withinTolerance, bestScale, nanA, nanB, ulpHistogram },
      ...(experts && { experts }),
      ...(codes && { codes }),
    },
    reason: '',
    worst: worstElements(comparison.worst, shape.columns, shape.rows, routing),
  };
}

/** Rows that are routed pairs, by their expert. */
async function expertComparisons(
  binding: NativeBinding,
  left: NativeTensor,
  right: NativeTensor,
  rows: number,
  { ids, tokens, topK, experts }: Topk,
): Promise<StageComparison['experts'] | null> {
  if (!ids || !isPaired(rows, tokens, topK)) return null;
  const groups = await binding.compareGroups(left, right, ids, experts);
  const total = groups.reduce((sum, { squaredError }) => sum + squaredError, 0);
  return groups.flatMap(({ rows: count, nrmse, bestScale, squaredError }, expert) =>
    count > 0 ? [{ expert, rows: count, nrmse, bestScale, share: total > 0 ? squaredError / total : 0 }] : [],
  );
}

/** Codes and scale bytes of a quantized stage that differ; null where a stage has none or the two are laid out differently. */
async function codeComparison(
  binding: NativeBinding,
  a: ComparedSide,
  b: ComparedSide,
  stage: Stage,
): Promise<StageComparison['codes'] | null> {
  const [codes, scales] = tapsOf[stage];
  if (scales === undefined) return null;
  const found = [codes, scales].map((tap) => [a.tensors[tap], b.tensors[tap]] as const);
  const [pair, scalePair] = found;
  if (!pair?.[0] || !pair[1] || !scalePair?.[0] || !scalePair[1]) return null;
  const counted = await binding.compareCodes(pair[0], pair[1]);
  const bytes = await binding.compareCodes(scalePair[0], scalePair[1]);
  return {
    codes: counted.elements,
    differingCodes: counted.differing,
    scales: bytes.elements,
    differingScales: bytes.differing,
  };
}

function isPaired(rows: number, tokens: number, topK: number): boolean {
  return rows === tokens * topK && (topK > 1 || rows !== tokens);
}

/**
 * Flat indices of a stage as places: rows are (token, slot) pairs in order, or tokens where a stage has one row a token;
 * slot and expert are then -1.
 */
export function worstElements(
  worst: Comparison['worst'],
  columns: number,
  rows: number,
  { ids, tokens, topK }: Omit<Topk, 'experts'>,
): WorstElement[] {
  const paired = isPaired(rows, tokens, topK);
  return worst.map(({ index, a, b }) => {
    const row = Math.floor(index / columns);
    const slot = paired ? row % topK : -1;
    return {
      row,
      column: index % columns,
      token: paired ? Math.floor(row / topK) : row,
      slot,
      expert: paired ? (ids?.[row] ?? -1) : -1,
      a,
      b,
    };
  });
}

/** The difference a - b of one stage as a tile (signed in `mean`). Throws `unsupported` with the reason where there is none. */
export async function diffTile(
  binding: NativeBinding,
  source: Source,
  {
    stage,
    batch,
    a,
    b,
    ...rectangle
  }: Pick<DiffRequest, 'batch' | 'a' | 'b'> & { stage: Stage } & Omit<TileRequest, 'plane'>,
  cancel?: CancelFlag,
): Promise<Tile> {
  const answers = await bothAnswers(source, { batch, a, b }, cancel);
  const tensors = [];
  for (const answer of answers) {
    const tensor = isUnavailable(answer) ? answer : await stageTensor(binding, source, answer, stage);
    if (isUnavailable(tensor))
      throw new AppError({ code: 'unsupported', message: tensor.reason, subject: `batch ${batch}` });
    tensors.push(tensor);
  }
  return binding.differenceTile(tensors[0]!, tensors[1]!, { plane: 0, ...rectangle });
}
