/** H2, H3 and H7: what the contract does with the global scale of activations, gs. */
import type { LayerFacts } from './facts';
import { expertsAbove, type Found, type Hazard } from './hazard';

const noInputScales = ({ quantization }: LayerFacts) =>
  quantization === 'w4a16' ? 'the layer has no input scales: the contract then uses gs = 1' : null;

export const alphaRole: Hazard = {
  id: 'H2-alpha-dual-role',
  title: 'w1_alpha is FC1 divider and FC1 multiplier at once',
  reference: 'FlashInfer #3932, vLLM #43687',
  looksAt: 'whether FC1 has an input_global_scale of its own, and gs',
  notChecked: noInputScales,
  find({ contract, a1 }) {
    if (contract !== 'activation-alpha' || a1 === null || a1 === 1) return [];
    return [
      {
        severity: 'warning',
        tensor: 'b12x/w13_weight_scale_2',
        measured: { gs: a1, multiplierOverDivider: 1 },
        explanation:
          'No input_global_scale is registered, so b12x divides the activations by w1_alpha and multiplies the FC1 result with it. That is right only while weight_scale_2 is baked into the block scales: a tool that corrects one role breaks the other.',
        remedy: 'Register input_global_scale (contract clean), and never change w13_weight_scale_2 alone.',
      },
    ];
  },
};

export const directMicro: Hazard = {
  id: 'H3-direct-micro-multiplier',
  title: 'direct-micro multiplies by the scale that the other b12x kernels divide by',
  reference:
    'derived from FlashInfer moe_direct_micro_kernel.py at fb28d7242 against moe_dispatch.py; no public issue; not verified on SM12x hardware',
  looksAt: 'whether the dispatch reaches direct-micro with this shape, and gs of both GEMMs under the contract',
  notChecked: (facts) =>
    noInputScales(facts) ??
    (facts.directMicroTokens === null ? 'the dispatch rules of the recording are not in this build' : null),
  find({ contract, a1, a2, directMicroTokens, rules }) {
    // unit-alpha: gs = 1 in both GEMMs. The other two divide by a1 and a2.
    if (contract === 'unit-alpha' || a1 === null || a2 === null || !directMicroTokens) return [];
    if (a1 === 1 && a2 === 1) return [];
    return [
      {
        severity: 'warning',
        tensor: contract === 'clean' ? 'b12x/input_global_scale' : 'b12x/w13_weight_scale_2',
        measured: { maxTokens: directMicroTokens, gs1: a1, gs2: a2, factorFc1: a1 * a1, factorFc2: a2 * a2 },
        explanation: `Batches of up to ${directMicroTokens} tokens take direct-micro (rules ${rules}). Its source scales activations by gs where micro, static and dynamic divide by it, so each GEMM would be off by about gs squared and its block scales would underflow. Read from the source, not measured: no SM12x GPU has confirmed it.`,
        remedy:
          'Compare one batch of 1 to 3 tokens with the reference on the device; until then use gs = 1 (unit-alpha) or keep such batches on another kernel.',
      },
    ];
  },
};

/** amax <= 6 * 2^-10: e4m3(amax / 6) is 0 (a tie to even); below 6 * 2^-6 it is subnormal; above 6 * 448 it saturates. */
const zeroBelow = 6 * 2 ** -10;
const subnormalBelow = 6 * 2 ** -6;
const saturatesAbove = 2688;
/** A tensor's calibrated amax is its largest of millions of values; a block of 16 normal ones has 1/3 of it, of products of normals 1/10 and less. */
const typicalBlock = 16;

export const unitActivation: Hazard = {
  id: 'H7-unit-activation-scale',
  title: 'activations are quantized with global scale 1',
  reference: 'derived from FlashInfer fp4_common.py (quantizers with gs = 1); FlashInfer #3548',
  looksAt: 'calibrated amax of FC1 and FC2 inputs against 0.0059, 0.094 and 2688',
  notChecked: (facts) =>
    facts.contract !== 'unit-alpha'
      ? `contract ${facts.contract} quantizes with the calibrated scale`
      : facts.quantization === 'w4a16'
        ? 'there are no calibrated input scales to compare with'
        : null,
  find({ projections }) {
    return projections.flatMap(({ name, tensor, input }): Found[] => {
      // Gate and up share their input, and vLLM takes the larger scale of the two: one finding for FC1, at up.
      if (name === 'gate' || !input) return [];
      const amax = Array.from(input, (scale) => scale * saturatesAbove);
      const out = amax.map((value) =>
        value >= saturatesAbove || value <= zeroBelow ? 3 : value < subnormalBelow ? 2 : 0,
      );
      const close = amax.map((value, expert) => Math.max(out[expert]!, value / typicalBlock < subnormalBelow ? 1 : 0));
      const worst = Math.max(...close);
      if (worst === 0) return [];
      const gemm = tensor === 'w13' ? 'FC1' : 'FC2';
      const why = {
        3: `the calibrated amax of ${gemm}'s input is at or beyond the range of a block scale (at most ${zeroBelow.toPrecision(2)}: every block becomes zero; at least 2688: the largest values are clamped)`,
        2: `the calibrated amax of ${gemm}'s input is below 0.094, so that every scale byte is subnormal`,
        1: `the calibrated amax of ${gemm}'s input is below ${typicalBlock} * 0.094, so that the scale bytes of ordinary blocks are subnormal`,
      }[worst as 1 | 2 | 3];
      return [
        {
          severity: worst === 3 ? 'error' : 'warning',
          tensor: `checkpoint/${tensor}_input_scale`,
          experts: expertsAbove(close, 1),
          measured: {
            amaxMin: Math.min(...amax),
            amaxMax: Math.max(...amax),
            zeroBelow,
            subnormalBelow,
            saturatesAbove,
          },
          explanation: `unit-alpha quantizes activations with gs = 1: ${why}.`,
          remedy: 'Quantize with the calibrated scale: contract clean (input_global_scale and fc2_input_scale).',
        },
      ];
    });
  },
};
