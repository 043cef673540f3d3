/** The part of the addon that ranks the orders of a raw block-scale tensor (native/core/layout_search). */
import type { Halves, LayoutEvidence, NibbleOrder, ScaleOrder } from '../../contract/layouts';
import type { NativeTensor, TaskOptions } from './binding';

export interface LayoutQuestion {
  /** F8_E4M3 or U8 in any shape: only the order of its bytes counts */
  scales: NativeTensor;
  /** logical experts, rows N and columns K/16 */
  planes: number;
  rows: number;
  columns: number;
  /** rows are two halves, [up, gate] */
  gated: boolean;
  /** fp4 [planes, rows, columns * 16] */
  codes?: NativeTensor;
  /** reference weights of the same logical shape, any float type */
  weights?: NativeTensor;
  /** reference input [T, columns * 16] and output [T, rows] of one plane */
  x?: NativeTensor;
  y?: NativeTensor;
  plane?: number;
}

export interface NativeLayoutSearch {
  evidence: LayoutEvidence;
  blocks: number;
  confidence: number;
  explained: boolean;
  /** best first, impossible ones last; `nrmse` NaN without a reference, `sameAs` -1 for a candidate of its own */
  candidates: {
    order: ScaleOrder;
    padded: boolean;
    halves: Halves;
    nibbles: NibbleOrder;
    possible: boolean;
    bytes: number;
    logLikelihood: number;
    probability: number;
    coupling: number;
    rowShare: number;
    nrmse: number;
    sameAs: number;
  }[];
}

export interface LayoutBinding {
  /** Throws `wrong-shape` where bytes, codes or reference do not fit the logical shape, `wrong-dtype`, `usage`. */
  searchLayout(question: LayoutQuestion, options?: TaskOptions): Promise<NativeLayoutSearch>;
}
