/** Times of two sessions, batch by batch where the batches correspond, with an interval that says what is noise. */
import { medianSorted } from 'simple-statistics';
import { type Kernel, kernels } from '../../contract/layer';
import type { BatchColumns } from '../run/columns';

export type Verdict = 'better' | 'worse' | 'no change within noise' | 'too few batches';

export interface KernelTimes {
  kernel: Kernel;
  /** batches of equal token count in both sessions */
  pairs: number;
  /** medians, microseconds */
  medianA: number;
  medianB: number;
  /** median of B / A over the pairs, with its 95 % interval; null below `fewestPairs` */
  ratio: number | null;
  interval: [number, number] | null;
  verdict: Verdict;
}

/** Fewer pairs have no 95 % interval of their median: two halves to the sixth are 1.6 % a side, to the fifth 3.1 %. */
export const fewestPairs = 6;
/** Share left out at each end of the interval. */
const tail = 0.025;
/** Above this the normal approximation of the binomial is off by less than a rank; below, 0.5^n is a normal double. */
const exactUpTo = 1000;

/** The largest rank k (1 first) with P(Binomial(n, 1/2) < k) <= 2.5 %. */
function lowRank(n: number): number {
  if (n > exactUpTo) return Math.floor(n / 2 - 1.96 * Math.sqrt(n / 4));
  let probability = 0.5 ** n;
  let below = 0;
  let k = 0;
  while (below + probability <= tail) {
    below += probability;
    probability *= (n - k) / (k + 1);
    k++;
  }
  return k;
}

/**
 * Distribution-free 95 % interval of the median, between two order statistics (Conover, Practical Nonparametric Statistics,
 * 3.2): nothing is assumed of the noise, which on a busy machine is anything but normal.
 * @param sorted at least `fewestPairs` values, ascending
 */
export function medianInterval(sorted: Float64Array): [number, number] {
  const rank = lowRank(sorted.length);
  return [sorted[rank - 1] as number, sorted[sorted.length - rank] as number];
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
 * would call noise a change on a busy machine and miss a small real one on a quiet one. Load that one session had and the
 * other had not is in the ratio like any other cause: record both under the same conditions.
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
    const ratios = Float64Array.from(pairs, ([own, other]) => other / own).sort();
    const interval = medianInterval(ratios);
    const verdict: Verdict = interval[1] < 1 ? 'better' : interval[0] > 1 ? 'worse' : 'no change within noise';
    return [{ ...base, ratio: medianSorted(Array.from(ratios)), interval, verdict }];
  });
}
