/** Counter-based random numbers: a value depends on (seed, batch, stream, draw) only, so any batch can be made again alone. */

/** What a number is drawn for; separate streams never share a value. */
export const streams = { tokens: 1, input: 2, logits: 3, popularity: 4 } as const;
export type Stream = (typeof streams)[keyof typeof streams];

const mask64 = (1n << 64n) - 1n;

/** splitmix64's finalizer (Steele, Lea, Flood 2014): a bijection of 64-bit integers with good avalanche. */
function mix64(value: bigint): bigint {
  let z = (value + 0x9e3779b97f4a7c15n) & mask64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask64;
  return z ^ (z >> 31n);
}

/** 64-bit seed of one stream of one batch. `seed` and `batch` are integers. */
export function seedOf(seed: number, batch: number, stream: Stream): bigint {
  return mix64(mix64(mix64(BigInt(seed) & mask64) ^ BigInt(batch)) ^ BigInt(stream));
}

/** Uniform in [0, 1) with 53 bits, the `draw`-th of a seeded stream. */
export function uniform(seed: bigint, draw: number): number {
  return Number(mix64(seed ^ mix64(BigInt(draw))) >> 11n) / 2 ** 53;
}
