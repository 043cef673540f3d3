/** How a batch, and a run, spreads over the experts, and what that must cost at least. */
import { z } from 'zod';
import { float32Array } from './arrays';

/** Evenness of rows per expert, experts without rows included. */
export const BalanceSchema = z.object({
  /** experts with at least one row */
  unique: z.number(),
  /** rows when each expert's rows are rounded up to tile M */
  paddedRows: z.number(),
  /** most rows / mean rows; 1 = even */
  imbalance: z.number(),
  /** standard deviation / mean */
  variation: z.number(),
  /** Gini coefficient: 0 = even, 1 - 1/E = all rows on one expert */
  gini: z.number(),
});
export type Balance = z.infer<typeof BalanceSchema>;

/** A device as a yardstick. Which figures were measured and which come from a data sheet stands beside them. */
export const FloorDeviceSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** bytes a second */
  bandwidth: z.number().positive(),
  /** floating-point operations a second at `precision`, a multiply-add counting as two */
  rate: z.number().positive(),
  precision: z.string(),
  basis: z.enum(['measured', 'data sheet']),
  source: z.string().min(1),
  date: z.iso.date(),
});
export type FloorDevice = z.infer<typeof FloorDeviceSchema>;

/** COMPUTED floors of one batch on one device, microseconds; nothing ran there. */
export const FloorSchema = z.object({
  device: FloorDeviceSchema,
  /** FP4 weights and block scales of the experts that the batch reaches, read once */
  memory: z.number(),
  /** the same for the experts that uniform routing would reach */
  memoryUniform: z.number(),
  /** the multiply-adds of all routed pairs */
  math: z.number(),
});
export type Floor = z.infer<typeof FloorSchema>;

export const BatchRoutingSchema = z.object({
  batch: z.number().int(),
  tokens: z.number().int(),
  routedPairs: z.number().int(),
  topK: z.number().int(),
  experts: z.number().int(),
  /** rows of a tile of the kernel that ran; 0 = no row tiles */
  tileM: z.number().int(),
  balance: BalanceSchema,
  /** mean of `draws` batches of as many tokens routed uniformly, from a fixed seed */
  uniform: BalanceSchema,
  draws: z.number().int(),
  /** U(T) = E(1 - (1 - k/E)^T) */
  expectedUnique: z.number(),
  bytesPerExpert: z.number(),
  floors: z.array(FloorSchema),
  provenance: z.string(),
});
export type BatchRouting = z.infer<typeof BatchRoutingSchema>;

/**
 * Load of every expert over batches first..last, reduced to cells. A cell is the rows of an expert over those of an even
 * spread (1 = even), of the busiest of its experts; NaN where no routing is known. Facts a column are means over its batches.
 */
export const RoutingWindowSchema = z.object({
  first: z.number().int(),
  last: z.number().int(),
  columns: z.number().int(),
  rows: z.number().int(),
  experts: z.number().int(),
  expertsPerRow: z.number().int(),
  /** batches before this one are seen in blocks of 64 */
  exactFrom: z.number().int(),
  load: float32Array, // [rows * columns]
  unique: float32Array, // [columns], as the next three
  expectedUnique: float32Array,
  imbalance: float32Array,
  paddingShare: float32Array,
});
export type RoutingWindow = z.infer<typeof RoutingWindowSchema>;
