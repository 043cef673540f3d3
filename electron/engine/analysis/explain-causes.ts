/** What each cause of a difference is called, what it means and where it is known from. */
import type { CauseId } from '../../contract/explanation';

export interface CauseText {
  name: string;
  explanation: string;
  reference: string;
}

export const causeTexts: Record<CauseId, CauseText> = {
  'sf-rerounding': {
    name: 'Block scales re-rounded to E4M3',
    explanation:
      'weight_scale_2 is multiplied into the E4M3 block scales, which rounds them a second time. Counted here: scales whose product stays E4M3-normal.',
    reference: 'vLLM #40082, #43687 (b12x rewrite); FlashInfer #3933',
  },
  'sf-underflow': {
    name: 'Block scales underflow',
    explanation:
      'Block scales whose product with weight_scale_2 falls below 2^-6 become subnormal E4M3 values or zero.',
    reference: 'FlashInfer #3933, sglang #32119 (89 % subnormal)',
  },
  'unit-activation-scale': {
    name: 'Activations quantized with global scale 1',
    explanation:
      'A GEMM input is quantized with global scale 1 instead of the calibrated input scale, so its block scales use another part of the E4M3 range.',
    reference: 'vLLM #43687 as first published (a2_gscale := 1, alpha 1)',
  },
  requantization: {
    name: 'Another quantizer',
    explanation:
      'Activations are quantized by another kernel family or mode: the order of its products, its divisions, and what it stores for blocks whose scale underflows.',
    reference: 'FlashInfer quantization_utils.cuh against fp4_common.py; FLASHINFER_DISABLE_FP4_QUANT_FAST_MATH',
  },
  'reciprocal-approximation': {
    name: 'Approximate reciprocals',
    explanation: 'rcp.approx in fp32 instead of exact division moves values that lie near a rounding tie.',
    reference: 'FlashInfer #3656; arch-com #905',
  },
  'bf16-between-stages': {
    name: 'bf16 rounding between stages',
    explanation:
      'FC1 sums, activations or FC2 products are rounded to bf16 where the other pipeline keeps fp32, or the reverse.',
    reference: 'cutlass_fused_moe_kernels.cuh (bf16 after GEMM1); moe_static_kernel.py (fp32)',
  },
  'accumulation-order': {
    name: 'Accumulation of routed contributions',
    explanation:
      'Contributions are added as bf16 atomics in another number or order where one fp32 sum is documented, or the reverse.',
    reference: 'CUTLASS fused finalize; red.add.bf16x2 of moe_static_kernel.py',
  },
  'router-weight-rounding': {
    name: 'Router weights rounded to bf16',
    explanation: 'The router weight, alone or multiplied with alpha, is rounded to bf16 before it scales an expert.',
    reference: '_moe_dynamic/gated.py (alpha * router weight in bf16)',
  },
  'gate-up-order': {
    name: 'Gate and up swapped',
    explanation: 'w13 rows are [gate, up] where the kernel reads [up, gate].',
    reference: 'vLLM #40082 (comments); reorder_w1w3_to_w3w1',
  },
  'wrong-layout': {
    name: 'Block scales in the wrong layout',
    explanation: 'Block-scale bytes stored linear are read as 128x4 tiles, or the reverse.',
    reference: 'FlashInfer quantization_utils.cuh get_sf_out_offset_128x4',
  },
  'divider-multiplier': {
    name: 'Activation scale divided instead of multiplied',
    explanation:
      'A quantizer that divides by its global scale is handed the multiplier, or the reverse: off by the square of the scale.',
    reference: 'moe_direct_micro_kernel.py against moe_static_kernel.py (hazard H3)',
  },
  'double-multiplication': {
    name: 'Input scale multiplied twice',
    explanation:
      'weight_scale_2 already holds the input scale (changed in place by another backend) and it is multiplied again.',
    reference: 'vLLM FlashInferExperts: weight_scale_2 *= input_scale (hazard H5)',
  },
  padding: {
    name: 'Padding or tile rule',
    explanation:
      'Rows or K slices of a partial tile are dropped, the gate half is read at the padded offset, or the second 64 rows of a 128-row tile are not computed.',
    reference: 'FlashInfer #3533 (rows 64..127 zero), #3744 (_pad_intermediate_to_tile)',
  },
  'nibble-order': {
    name: 'FP4 nibbles swapped',
    explanation: 'The odd element is read from the low nibble.',
    reference: 'ModelOpt nvfp4_tensor.py: even element in the low nibble',
  },
};
