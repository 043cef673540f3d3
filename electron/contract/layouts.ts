/** "Try every layout": the ways in which a raw block-scale tensor may be stored, and how well each explains what is known. */
import { z } from 'zod';

/**
 * linear: row * C + column. sf128x4: the 128x4 swizzle; the 6D MMA tensor is a strided view over these bytes. sf8x4: the
 * small-M swizzle. mma6d: the 6D view copied to contiguous memory. transposed: column * R + row.
 */
export const scaleOrders = ['linear', 'sf128x4', 'sf8x4', 'mma6d', 'transposed'] as const;
export type ScaleOrder = (typeof scaleOrders)[number];
/** Which of the halves of FC1's rows ([up, gate]) lie the other way round. */
export const halves = ['as-said', 'scales-swapped', 'weights-swapped', 'both-swapped'] as const;
export type Halves = (typeof halves)[number];
/** Nibble of element 2i of the packed weights. */
export const nibbleOrders = ['low-first', 'high-first'] as const;
export type NibbleOrder = (typeof nibbleOrders)[number];
/** What the ranking rests on, weakest first. */
export const layoutEvidences = ['structure', 'weights', 'reference-weights', 'reference-output'] as const;
export type LayoutEvidence = (typeof layoutEvidences)[number];

export const LayoutCandidateSchema = z.object({
  order: z.enum(scaleOrders),
  /** linear or transposed with rows padded to 128 and columns to 4 */
  padded: z.boolean(),
  halves: z.enum(halves),
  nibbles: z.enum(nibbleOrders),
  /** the order in words */
  name: z.string(),
  /** the order takes exactly the tensor's bytes */
  possible: z.boolean(),
  bytes: z.number(),
  /** natural-log likelihood behind the winner's, at least 0; null where not possible */
  behind: z.number().nullable(),
  probability: z.number(),
  /** correlation of log scale with log rms of the block's codes, row means taken out; null where codes played no part */
  coupling: z.number().nullable(),
  /** share of the variance of log scale that lies between rows; null with a reference */
  rowShare: z.number().nullable(),
  /** relative RMS error against the reference; null without one */
  nrmse: z.number().nullable(),
  /** place in this list of a candidate that reads the very same bytes */
  sameAs: z.number().int().nullable(),
});
export type LayoutCandidate = z.infer<typeof LayoutCandidateSchema>;

export const LayoutSearchSchema = z.object({
  tensor: z.string(),
  planes: z.number().int(),
  rows: z.number().int(),
  columns: z.number().int(),
  bytes: z.number(),
  evidence: z.enum(layoutEvidences),
  /** block scales that were looked at */
  blocks: z.number(),
  verdict: z.enum(['certain', 'likely', 'undecided']),
  /** probability of the first candidate; at most 0.5 where even it does not explain the evidence */
  confidence: z.number(),
  explained: z.boolean(),
  /** the answer in one sentence */
  summary: z.string(),
  /** best first */
  candidates: z.array(LayoutCandidateSchema),
  /** what this evidence cannot tell apart */
  undecided: z.array(z.object({ question: z.string(), why: z.string(), needs: z.string() })),
});
export type LayoutSearch = z.infer<typeof LayoutSearchSchema>;
