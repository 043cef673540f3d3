/** Times of two sessions, batch by batch where the batches correspond, with an interval that says what is noise. */
import { medianSorted, quantileSorted } from 'simple-statistics';
import { type Kernel, kernels } from '../../contract/layer';
import type { BatchColumns } from '../run/columns';
import { uniform } from '../workload/random';

export type Verdict = 'better' | 'worse' | 'no change within noise' | 'too few batches';

export interface KernelTimes {
  kernel: Kernel;
  /** batches of equal token count in both sessions */
  pairs: number;
  /** medians, microseconds */
  medianA: number;
  medianB: number;
  /** median of B / A over the pairs, with its bootstrap interval; null below `fewestPairs` */
  ratio: number | null;
  interval: [number, number] | null;
  verdict: Verdict;
}

/** Below this a bootstrap interval of a median says nothing. */
export const fewestPairs = 8;
const resamples = 2000;
const confidence = 0.95;
/** Sessions are compared the same way every time. */
const bootstrapSeed = 0x6d6f65n;

/**
 * Percentile bootstrap (Efron 1979) of the median: resamples with replacement, from a fixed seed.
 * @returns the central 95 % of the medians
 */
export function medianInterval(values: Float64Array): [number, number] {
  const medians = new Float64Array(resamples);
  const sample = new Float64Array(values.length);
  for (let round = 0; round < resamples; round++) {
    for (let i = 0; i < sample.length; i++) {
      sample[i] = values[Math.floor(uniform(bootstrapSeed, round * sample.length + i) * values.length)] as number;
    }
    medians[round] = medianSorted(Array.from(sample.sort()));
  }
  const sorted = Array.from(medians.sort());
  return [quantileSorted(sorted, (1 - confidence) / 2), quantileSorted(sorted, (1 + confidence) / 2)];
}

/** The n-th batch of a token count in A goes with the n-th of that count in B, on the same kernel. */
function pairsOf(a: BatchColumns, b: BatchColumns, kernel: number): [number, number][] {
  const waiting = new Map<number, number[]>();
  for (let index = 0; index < b.length; index++) {
    if (b.kernelIndex(index) !== kernel || b.failed(index)) continue;
    const list = waiting.get(b.tokens(index)) ?? [];
    list.push(b.microseconds(index));
    waiting.set(b.tokens(index), list);
  }
  const pairs: [number, number][] = [];
  for (let index = 0; index < a.length; index++) {
    if (a.kernelIndex(index) !== kernel || a.failed(index)) continue;
    const other = waiting.get(a.tokens(index))?.shift();
    const own = a.microseconds(index);
    if (other !== undefined && own > 0 && other > 0) pairs.push([own, other]);
  }
  return pairs;
}

/**
 * Better or worse only when the whole 95 % interval of the median ratio B / A lies on one side of 1; a fixed percentage
 * would call noise a change on a busy machine and miss a small real one on a quiet one.
 */
export function compareTimes(a: BatchColumns, b: BatchColumns): KernelTimes[] {
  return kernels.flatMap((kernel, index): KernelTimes[] => {
    const pairs = pairsOf(a, b, index);
    if (pairs.length === 0) return [];
    const median = (values: number[]) => medianSorted(values.sort((x, y) => x - y));
    const base = {
      kernel,
      pairs: pairs.length,
      medianA: median(pairs.map(([own]) => own)),
      medianB: median(pairs.map(([, other]) => other)),
    };
    if (pairs.length < fewestPairs) return [{ ...base, ratio: null, interval: null, verdict: 'too few batches' }];
    const ratios = Float64Array.from(pairs, ([own, other]) => other / own);
    const interval = medianInterval(ratios);
    const verdict: Verdict = interval[1] < 1 ? 'better' : interval[0] > 1 ? 'worse' : 'no change within noise';
    return [{ ...base, ratio: median([...ratios]), interval, verdict }];
  });
}
