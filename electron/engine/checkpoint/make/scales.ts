/** How large the random weights are and which activation scales go with them. x ~ N(0, 1) is assumed. */
import type { Activation } from '../../../contract/layer';
import { inputWidth, type ModelShape } from './shapes';

export type ScaleKind = 'realistic' | 'power-of-two';

export interface ScalePlan {
  /** standard deviation of the FC1 and FC2 weights before quantization */
  sigma13: number;
  sigma2: number;
  /** spread of the experts: each is multiplied by exp(spread * n), n ~ N(0, 1) */
  spread: number;
  /** input_scale of FC1 and FC2 (small form, amax / 2688) */
  a1: number;
  a2: number;
}

/** 6 (largest E2M1) * 448 (largest E4M3): amax that a scale of 1 can hold. */
const formatMax = 2688;

/**
 * `realistic`: FC1 gives values of about 1.2 standard deviations, weights of at most 0.04, so that weight_scale_2 is
 * 3e-5 .. 2e-4 and the input scales are near the 1.8e-3 and (from a hidden size of 1024 on) 1.2e-2 of exported models.
 *
 * `power-of-two`: every contract must stay in E4M3's normal range, so that it differs from the others by rounding alone:
 * - block scales baked as SF * s2 must reach 2^-6, so blocks need an amax of 6 * 2^-6 = 0.094 or more: the weights are made
 *   large (4 / sqrt(K), at least 0.06), and the addon's makeProjection gives the few blocks that fall below a scale of 2^-6 / s2;
 * - under unit-alpha activations are quantized with global scale 1, so a block's amax must lie in 0.094 .. 2688: FC1 then
 *   gives values of about 4 to 5 standard deviations, and act(gate) * up stays far inside;
 * - input scales are powers of two that hold the same amax without clamping: 2688 * 2^-8 = 10.5 for x, 2688 * a2 for FC2.
 */
export function planScales(shape: ModelShape, kind: ScaleKind): ScalePlan {
  const fc1 = Math.sqrt(inputWidth(shape));
  const fc2 = Math.sqrt(shape.intermediate);
  if (kind === 'power-of-two') {
    return {
      sigma13: Math.max(4 / fc1, 0.06),
      sigma2: Math.max(4 / fc2, 0.06),
      spread: 0,
      a1: 2 ** -8,
      a2: activationScale[shape.activation],
    };
  }
  const sigma13 = Math.min(1.2 / fc1, 0.04);
  return {
    sigma13,
    sigma2: Math.min(1.2 / fc2, 0.04),
    spread: 0.25,
    a1: 4.9 / formatMax,
    a2: realisticPeak(shape.activation, sigma13 * fc1) / formatMax,
  };
}

/** Holds FC2's input for FC1 values of 5 standard deviations of 1: products reach about 25 sigma^2, squares 6.5^2 sigma^2. */
const activationScale: Readonly<Record<Activation, number>> = {
  silu: 2 ** -2,
  gelu_tanh: 2 ** -2,
  relu2: 2 ** -1,
  // |act| <= 7 * (7 + 1) by its clamps.
  swigluoai: 2 ** -5,
};

/** Largest FC2 input over some 10^6 values: of a product of two normals about 22 sigma^2, of a square 5^2 sigma^2. */
function realisticPeak(activation: Activation, sigma: number): number {
  return (activation === 'relu2' ? 25 : 22) * sigma * sigma;
}

/**
 * Moves 2^octaves from the block scales into s2: the same weights, written with another weight_scale_2. Experts of a
 * power-of-two checkpoint then differ in their multipliers, as real ones do, so that a multiplier that goes with the
 * wrong expert shows.
 * @param scale E4M3 codes of normal values that stay normal, changed in place
 * @returns the new s2
 */
export function shiftToGlobalScale(scale: Uint8Array, s2: number, octaves: number): number {
  // The exponent field begins at bit 3; every block scale is at least 2^5 here, so none leaves the normal range.
  for (let i = 0; i < scale.length; i++) scale[i] = scale[i]! - (octaves << 3);
  return s2 * 2 ** octaves;
}
