/** Seeds and a few random numbers for what is not made natively. Same seed, same checkpoint, everywhere. */

/** A seed of its own for every thing made from one seed (splitmix64's increment spreads neighbours). */
export function deriveSeed(seed: bigint, index: number): bigint {
  return BigInt.asUintN(64, seed * 0x9e3779b97f4a7c15n + BigInt(index) * 0xbf58476d1ce4e5b9n + 1n);
}

/** splitmix64, top 53 bits: uniform in (0, 1]. */
function uniform(seed: bigint): number {
  let z = BigInt.asUintN(64, seed + 0x9e3779b97f4a7c15n);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  z ^= z >> 31n;
  return (Number(z >> 11n) + 1) / 2 ** 53;
}

/** One standard normal number (Box-Muller) of a seed. */
export function normal(seed: bigint): number {
  return Math.sqrt(-2 * Math.log(uniform(seed))) * Math.cos(2 * Math.PI * uniform(~seed & 0xffffffffffffffffn));
}
