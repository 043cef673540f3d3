/** How much of a difference noise explains: each side run again with other accumulation seeds, and its sums in other orders. */
import { type Side, type Stage, stages } from '../../contract/batch';
import type { Noise, SideNoise } from '../../contract/element';
import { AppError } from '../../contract/errors';
import type { CancelFlag, NativeBinding } from '../native/binding';
import type { ResumNoise, ResumStage } from '../native/history-binding';
import { identicalTensors } from '../run/rerun-path';
import { type Answer, isUnavailable, type RunPath, type Source, type Unavailable } from '../run/source';
import { type DiffRequest, diffStages } from './diff';
import { stageTensor, tapsOf } from './stage-tensors';

export interface NoiseRequest extends DiffRequest {
  /** of each side */
  runs: number;
}
export interface NoiseHooks {
  signal: AbortSignal;
  cancel: CancelFlag;
  progress(label: string, done: number, total: number): void;
}

/** Elements whose sums are taken again: 4 tokens x 32 columns of each stage, in 8 orders; below 50 ms on small layers. */
const sample = { tokens: 4, columns: 32, orders: 8, seed: 1 };

/** Largest and 95th percentile (nearest rank); zeros where there is nothing. */
export function spreadOf(values: Iterable<number>): { max: number; p95: number } {
  const sorted = [...values].sort((x, y) => x - y);
  return { max: sorted[sorted.length - 1] ?? 0, p95: sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0 };
}

interface Repeats {
  /** NRMSE of each run against the answer in the documented order, per stage */
  nrmse: Record<Stage, number[]>;
  identical: Record<Stage, number>;
}

/**
 * Measures the floor under every stage of a pair. The reference is exact and moves nothing. Throws `unsupported` where
 * nothing can be run (a recorded session), `cancelled`.
 */
export async function measureNoise(
  binding: NativeBinding,
  source: Source,
  request: NoiseRequest,
  hooks: NoiseHooks,
): Promise<Noise> {
  const { batch, a, b, runs } = request;
  const remarks: string[] = [];
  const moving = [...new Set([a, b])].filter((side): side is RunPath => side !== 'reference');
  const measured = new Map<Side, { repeats: Repeats; orders: ResumNoise | null }>();
  let done = 0;
  for (const side of moving) {
    const own = orThrow(await source.answer(batch, side, side, true, hooks.cancel), batch);
    const repeats = emptyRepeats();
    for (let run = 0; run < runs; run++) {
      if (hooks.signal.aborted) throw new AppError({ code: 'cancelled', message: 'The repetition was cancelled.' });
      hooks.progress(`repeating ${side}`, done++, moving.length * runs);
      const again = orThrow(await source.repeat(batch, side, run + 1, hooks.cancel), batch);
      await addRun(binding, source, own, again, repeats);
    }
    const orders = await source.resumNoise(batch, side, sample, hooks.cancel);
    if (isUnavailable(orders)) remarks.push(`${side}: sums were not taken in other orders: ${orders.reason}`);
    measured.set(side, { repeats, orders: isUnavailable(orders) ? null : orders });
  }
  const diff = await diffStages(binding, source, request, hooks.cancel);
  let before = 0;
  const result = diff.stages.map(({ stage, comparison }) => {
    const noise = [...new Set([a, b])].map((side) => sideNoise(side, stage, runs, measured.get(side)));
    const own = noise.reduce((sum, { repeats, orders }) => sum + Math.max(repeats.max, orders?.max ?? 0), 0);
    before = Math.max(before, own);
    return { stage, floor: before, nrmse: comparison?.nrmse ?? null, sides: noise };
  });
  const over = diff.stages.find(
    ({ comparison }, index) =>
      comparison !== null && comparison.withinTolerance < 1 && comparison.nrmse > (result[index]?.floor ?? 0),
  );
  return {
    batch,
    a,
    b,
    runs,
    stages: result,
    firstDiverging: over?.stage ?? null,
    deterministic: result.every(({ sides }) => sides.every(({ repeats }) => repeats.identical === repeats.runs)),
    remarks,
  };
}

function orThrow(answer: Answer | Unavailable, batch: number): Answer {
  if (!isUnavailable(answer)) return answer;
  throw new AppError({ code: 'unsupported', message: answer.reason, subject: `batch ${batch}` });
}

function emptyRepeats(): Repeats {
  const of = <T>(make: () => T) => Object.fromEntries(stages.map((stage) => [stage, make()])) as Record<Stage, T>;
  return { nrmse: of(() => [] as number[]), identical: of(() => 0) };
}

async function addRun(
  binding: NativeBinding,
  source: Source,
  own: Answer,
  again: Answer,
  into: Repeats,
): Promise<void> {
  for (const stage of stages) {
    const same = tapsOf[stage].every((tap) => {
      const x = own.tensors[tap];
      const y = again.tensors[tap];
      return x === undefined ? y === undefined : y !== undefined && identicalTensors(x, y);
    });
    if (same) {
      into.identical[stage]++;
      into.nrmse[stage].push(0);
      continue;
    }
    const before = await stageTensor(binding, source, own, stage);
    const now = await stageTensor(binding, source, again, stage);
    if (isUnavailable(before) || isUnavailable(now)) continue;
    into.nrmse[stage].push((await binding.compare(now, before, { rtol: 0, atol: 0, worst: 0 })).nrmse);
  }
}

function sideNoise(
  side: Side,
  stage: Stage,
  runs: number,
  found: { repeats: Repeats; orders: ResumNoise | null } | undefined,
): SideNoise {
  if (!found) return { side, repeats: { runs, identical: runs, max: 0, p95: 0 }, orders: null };
  const { repeats, orders } = found;
  const summed: ResumStage | null =
    orders && (stage === 'fc1' || stage === 'fc2' || stage === 'output') ? orders[stage] : null;
  return {
    side,
    repeats: { runs, identical: repeats.identical[stage], ...spreadOf(repeats.nrmse[stage]) },
    orders: summed && {
      orders: summed.orders.length,
      elements: orders?.elements ?? 0,
      fp64: summed.fp64,
      ...spreadOf(summed.orders),
    },
  };
}
