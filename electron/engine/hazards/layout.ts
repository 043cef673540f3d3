/** Bytes in another order than the checkpoint format says, and padding that kernels add. */
import type { Found, Hazard } from './hazard';

/**
 * Read as tiles, rows and columns must explain this much more of log2(scale) than read as linear bytes, and six standard
 * deviations more than the difference of two readings of independent blocks: R^2 of p = R + C - 2 free parameters over n
 * blocks scatters by sqrt(2 p) / n, and `chance` is p / (n - 1).
 */
const margin = 0.05;
const deviations = 6;

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

export const scaleLayout: Hazard = {
  id: 'scale-layout',
  title: 'block scales are stored in 128x4 tiles, not linear',
  reference: 'sglang #29314, cudnn-frontend #237',
  looksAt: 'how much of log2(SF) rows and columns explain, read as linear and as 128x4 tiles',
  notChecked: ({ projections }) =>
    projections.every(({ layout }) => layout.length === 0)
      ? 'rows are no multiple of 128 or columns none of 4: tiles would have another length'
      : null,
  find: ({ projections }) =>
    projections.flatMap(({ name, tensor, layout, census }): Found[] => {
      if (layout.length === 0) return [];
      const linear = mean(layout.map((one) => one.linear));
      const tiled = mean(layout.map((one) => one.tiled));
      const chance = mean(layout.map((one) => one.chance));
      const blocks = census.stored(0).blocks;
      const scatter = Math.sqrt((2 * 2 * chance) / blocks / layout.length);
      if (tiled - linear < Math.max(margin, deviations * scatter)) return [];
      return [
        {
          severity: 'error',
          tensor: `checkpoint/${tensor}_weight_scale`,
          projection: name,
          measured: { explainedLinear: linear, explainedTiles: tiled, explainedByChance: chance },
          explanation: `Rows and columns explain ${(tiled * 100).toFixed(1)} % of the scales when the bytes are read as 128x4 tiles, ${(linear * 100).toFixed(1)} % when read as they should be: linear. The exporter wrote swizzled scales; every weight then has another block's scale.`,
          remedy: 'Unswizzle before export: checkpoints store block scales as linear [N, K/16].',
        },
      ];
    }),
};

export const padding: Hazard = {
  id: 'padding-rule',
  title: 'the layer needs padding that kernels do by different rules',
  reference: 'FlashInfer #4653, FlashInfer #3744',
  looksAt: 'I against 128 (rows of b12x and of 128x4 tiles), H and I against 64 (scale columns in fours)',
  find({ shape: { intermediate, hidden } }) {
    const columns = [hidden, intermediate].some((size) => size % 64 !== 0);
    if (intermediate % 128 === 0 && hidden % 128 === 0 && !columns) return [];
    const paddedRows = Math.ceil(intermediate / 128) * 128 - intermediate;
    return [
      {
        severity: 'info',
        tensor: 'b12x/w13_weight_scale',
        measured: {
          intermediate,
          hidden,
          paddedIntermediate: intermediate + paddedRows,
          paddedHidden: Math.ceil(hidden / 128) * 128,
        },
        explanation: `H ${hidden} and I ${intermediate} do not fill 128x4 scale tiles, or I no multiple of 128: b12x pads up and gate apart into a copy (in-place changes of the scales no longer reach it), other kernels pad to 64 rows or not at all.`,
        remedy: 'Compare padded and real rows of both paths, and change scales before the views are made.',
      },
    ];
  },
};
