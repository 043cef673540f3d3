/** What the addon counts of block scales, for the hazards. */

/** Blocks of 16 elements, counted by the byte of their scale (native/core/hazards/block_census.h). */
export interface BlockCensus {
  /**
   * Float64 [planes * 256 * 8]: blocks by scale byte and by the magnitude code of their largest element, 0 (all codes +-0) to
   * 7 (6.0). Without codes every block counts as 7.
   */
  blocks: Float64Array;
  /** Float64 [planes * 256]: sum of the squared codes of those blocks, in quarters; 0 without codes. */
  energy: Float64Array;
}

/** R^2 of log2(scale) by rows and columns, 0..1, read as linear and as 128x4 tiles; `chance`: what independent blocks give. */
export interface LayoutEvidence {
  linear: number;
  tiled: number;
  chance: number;
}
