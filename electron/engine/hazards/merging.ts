/** Gate and up with different weight_scale_2: one alpha serves both, so one of them must give way. */
import { meanRelative } from './census';
import { expertsAbove, type Hazard } from './hazard';

export const gateUpScales: Hazard = {
  id: 'gate-up-scales-differ',
  title: 'gate and up have different weight_scale_2',
  reference: 'vLLM reconcile_nvfp4_moe_w13_scales, TensorRT-LLM #18772',
  looksAt: 'weight_scale_2 of gate and up of every expert',
  notChecked: ({ shape }) => (shape.gated ? null : 'the layer has no gate'),
  find({ merge }) {
    if (merge.differing === 0) return [];
    const spread = merge.ratio && Array.from(merge.ratio, (ratio) => Math.max(ratio, 1 / ratio));
    const most = spread ? Math.max(...spread) : null;
    const columnZero = merge.rule === 'column-0';
    return [
      {
        severity: columnZero ? 'error' : 'warning',
        tensor: 'checkpoint/w13_weight_scale',
        experts: spread ? expertsAbove(spread, 1 + 2 ** -23) : [],
        measured: {
          differing: merge.differing,
          rescaledBlockScales: merge.rescaledBlockScales,
          ...(most !== null && { largestRatio: most }),
          ...(merge.rounding && {
            meanRelativeError: meanRelative(merge.rounding),
            worstRelativeError: merge.rounding.worstRelative,
          }),
        },
        explanation: columnZero
          ? `${merge.differing} experts have two global scales and gate's is used for both: up is off by the ratio.`
          : `${merge.differing} experts have two global scales; the larger is used and ${merge.rescaledBlockScales} block scales of the other half were rounded to E4M3 a second time.`,
        remedy: columnZero
          ? 'Merge with the maximum (--merge max), or export gate and up with one shared weight_scale_2.'
          : 'Export gate and up with one shared weight_scale_2, as ModelOpt does for experts.',
      },
    ];
  },
};
