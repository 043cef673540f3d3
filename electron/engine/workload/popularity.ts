import { seedOf, streams, uniform } from './random';

/**
 * Logit offsets of a Zipf popularity law over experts: the expert of rank r (0 first) gets -s * ln(r + 1), so that without
 * noise softmax gives it a share proportional to (r + 1)^-s. Which expert has which rank is a permutation drawn from the
 * seed (Fisher-Yates), the same for every batch of a workload.
 * @returns Float32 [E]; all zero for skew 0
 */
export function popularityOffsets(experts: number, skew: number, seed: number): Float32Array {
  const offsets = new Float32Array(experts);
  if (skew === 0) return offsets;
  const ranks = Int32Array.from({ length: experts }, (_, expert) => expert);
  const stream = seedOf(seed, 0, streams.popularity);
  for (let last = experts - 1; last > 0; last--) {
    const other = Math.floor(uniform(stream, last) * (last + 1));
    const kept = ranks[last] as number;
    ranks[last] = ranks[other] as number;
    ranks[other] = kept;
  }
  for (let expert = 0; expert < experts; expert++) offsets[expert] = -skew * Math.log((ranks[expert] as number) + 1);
  return offsets;
}
