/** Counts of blocks by scale byte, and what rounding those scales again would do to them. */
import type { NativeBinding } from '../native/binding';
import type { BlockCensus } from '../native/block-census';

const bytes = 256;
const magnitudes = 8;
/** E4M3: 448 and the bytes below the smallest normal, 2^-6. */
const saturatedByte = 0x7e;
const firstNormalByte = 0x08;

/** Half a step of three mantissa bits at the lower end of a binade: no rounding inside the normal range of E4M3 is worse. */
export const normalRounding = 1 / 16;

/** Values of the 256 E4M3 bytes, and rounding to them. */
export interface E4m3 {
  value: Float32Array;
  encode(value: number): number;
}

export function e4m3Of(binding: Pick<NativeBinding, 'e4m3ToFloat' | 'floatToE4m3'>): E4m3 {
  return {
    value: Float32Array.from({ length: bytes }, (_, byte) => binding.e4m3ToFloat(byte)),
    encode: (value) => binding.floatToE4m3(value),
  };
}

/** Block scales as they are stored. A block is live when some code of it is not zero: the scale of the others says nothing. */
export interface StoredCounts {
  blocks: number;
  live: number;
  zeroBlocks: number;
  subnormal: number;
  saturated: number;
  /** live blocks with scale 0: their 16 weights are gone */
  lost: number;
  belowSix: number;
}

/** What SF -> e4m3(SF * factor) does to live blocks with a scale above 0. */
export interface Rounding {
  live: number;
  zero: number;
  subnormal: number;
  saturated: number;
  /** scales that are not exactly SF * factor afterwards */
  inexact: number;
  /** scales off by more than 1/16, which no rounding to three mantissa bits can do */
  beyond: number;
  /** |rounded / exact - 1| of the scales: sum, and largest; a block rounded to 0 counts 1 */
  relativeSum: number;
  worstRelative: number;
  /** sums over blocks of (exact scale)^2 and (rounded - exact)^2 times the squared codes; 0 where codes are not known */
  energy: number;
  errorEnergy: number;
}

export class Census {
  readonly planes: number;
  /** @param codesKnown false where the FP4 codes were not there: every block with a scale above 0 then counts as live */
  constructor(
    private readonly counts: BlockCensus,
    private readonly e4m3: E4m3,
    readonly codesKnown: boolean,
  ) {
    this.planes = counts.energy.length / bytes;
  }

  /** Live blocks of a plane with this scale byte. */
  live(plane: number, byte: number): number {
    if (byte === 0 && !this.codesKnown) return 0;
    let sum = 0;
    for (let magnitude = 1; magnitude < magnitudes; magnitude++) sum += this.at(plane, byte, magnitude);
    return sum;
  }

  /** Blocks of a plane with this scale byte whose largest code is `magnitude`. */
  at(plane: number, byte: number, magnitude: number): number {
    return this.counts.blocks[(plane * bytes + byte) * magnitudes + magnitude]!;
  }

  stored(plane: number): StoredCounts {
    const out: StoredCounts = { blocks: 0, live: 0, zeroBlocks: 0, subnormal: 0, saturated: 0, lost: 0, belowSix: 0 };
    for (let byte = 0; byte < bytes; byte++) {
      const live = this.live(plane, byte);
      let all = 0;
      for (let magnitude = 0; magnitude < magnitudes; magnitude++) all += this.at(plane, byte, magnitude);
      out.blocks += all;
      out.zeroBlocks += all - live;
      out.live += live;
      if (byte === 0) out.lost += live;
      else if (byte < firstNormalByte) out.subnormal += live;
      else if (byte === saturatedByte) out.saturated += live;
      if (live > 0) out.belowSix += live - this.at(plane, byte, magnitudes - 1);
    }
    return out;
  }

  /** fp32 product, one rounding to E4M3: the arithmetic of `rescale_block_scales` (native/core/checkpoint/scales.cc). */
  rounded(plane: number, factor: number): Rounding {
    const out = noRounding();
    for (let byte = 1; byte < bytes; byte++) {
      const live = this.live(plane, byte);
      if (live === 0) continue;
      const exact = this.e4m3.value[byte]! * factor;
      const code = this.e4m3.encode(Math.fround(exact));
      const value = this.e4m3.value[code]!;
      const relative = Math.abs(value / exact - 1);
      out.live += live;
      if (code === 0) out.zero += live;
      else if (code < firstNormalByte) out.subnormal += live;
      else if (code === saturatedByte) out.saturated += live;
      if (relative > 0) out.inexact += live;
      if (relative > normalRounding) out.beyond += live;
      out.relativeSum += live * relative;
      out.worstRelative = Math.max(out.worstRelative, relative);
      const energy = this.counts.energy[plane * bytes + byte]!;
      out.energy += energy * exact * exact;
      out.errorEnergy += energy * (value - exact) ** 2;
    }
    return out;
  }
}

export const noRounding = (): Rounding => ({
  live: 0,
  zero: 0,
  subnormal: 0,
  saturated: 0,
  inexact: 0,
  beyond: 0,
  relativeSum: 0,
  worstRelative: 0,
  energy: 0,
  errorEnergy: 0,
});

export function addRounding(a: Rounding, b: Rounding): Rounding {
  const out = noRounding();
  for (const key of Object.keys(out) as (keyof Rounding)[]) out[key] = a[key] + b[key];
  out.worstRelative = Math.max(a.worstRelative, b.worstRelative);
  return out;
}

/** Mean |relative error| of a scale. */
export const meanRelative = ({ live, relativeSum }: Rounding): number => (live === 0 ? 0 : relativeSum / live);
/** Relative L2 error of the weights; null where codes are not known. */
export const weightError = ({ energy, errorEnergy }: Rounding): number | null =>
  energy > 0 ? Math.sqrt(errorEnergy / energy) : null;

export function addStored(all: readonly StoredCounts[]): StoredCounts {
  const sum = (key: keyof StoredCounts) => all.reduce((total, one) => total + one[key], 0);
  return {
    blocks: sum('blocks'),
    live: sum('live'),
    zeroBlocks: sum('zeroBlocks'),
    subnormal: sum('subnormal'),
    saturated: sum('saturated'),
    lost: sum('lost'),
    belowSix: sum('belowSix'),
  };
}
