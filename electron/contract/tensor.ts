/** Tensors as the window sees them: descriptors, statistics and picks. The data stays native. */
import { z } from 'zod';
import { dtypes, scaleLayouts } from './layer';

export const TensorSetSchema = z.enum(['checkpoint', 'b12x', 'cutlass', 'batch']);
/** checkpoint: as exported; b12x: live parameters after the rewrite; cutlass: the six clones; batch: activations of one batch. */
export type TensorSet = z.infer<typeof TensorSetSchema>;

export const TensorDescriptorSchema = z.object({
  /** unique: "b12x/w13_weight_scale" */
  id: z.string(),
  set: TensorSetSchema,
  name: z.string(),
  dtype: z.enum(dtypes),
  layout: z.enum(scaleLayouts),
  /** stored shape, padding included */
  shape: z.array(z.number().int()),
  /** experts (or 1), logical rows and columns without padding */
  planes: z.number().int(),
  rows: z.number().int(),
  columns: z.number().int(),
  bytes: z.number(),
  role: z.enum(['weight', 'block-scale', 'multiplier', 'activation']),
  note: z.string(),
});
export type TensorDescriptor = z.infer<typeof TensorDescriptorSchema>;

export const TensorStatsSchema = z.object({
  plane: z.number().int(),
  count: z.number(),
  min: z.number(),
  max: z.number(),
  mean: z.number(),
  rms: z.number(),
  zero: z.number(),
  subnormal: z.number(),
  saturated: z.number(),
  nan: z.number(),
});
export type TensorStatsRow = z.infer<typeof TensorStatsSchema>;

export const PickSchema = z.object({
  id: z.string(),
  plane: z.number().int(),
  row: z.number().int(),
  column: z.number().int(),
  linearOffset: z.number(),
  swizzledOffset: z.number().nullable(),
  mma6d: z.array(z.number().int()).length(6).nullable(),
  bits: z.number().int(),
  value: z.number(),
  kind: z.enum(['normal', 'zero', 'subnormal', 'saturated', 'nan', 'infinite']),
  /** the same element in the other scale sets that have it */
  siblings: z.array(
    z.object({ id: z.string(), bits: z.number().int(), value: z.number(), ratio: z.number().nullable() }),
  ),
  /** the 16 FP4 codes under this block scale and their values code * scale * global scale; empty for other tensors */
  codes: z.array(z.object({ code: z.number().int(), value: z.number() })),
  globalScale: z.number().nullable(),
});
export type PickReply = z.infer<typeof PickSchema>;
