/** One output element back to its beginnings, and how much order alone moves the answers. */
import { z } from 'zod';
import { float64Array, uint8Array } from './arrays';
import { sides, stages } from './batch';
import { kernels, paths } from './layer';

/** One dot product of FP4 rows, block by block along K, in the order in which it was added. */
export const DotHistorySchema = z.object({
  activationCodes: uint8Array, // [K], one E2M1 code a byte
  activationSf: uint8Array, // [K/16], E4M3 bytes
  weightCodes: uint8Array,
  weightSf: uint8Array,
  /** [K/16] sum over the block of code * code */
  dot: float64Array,
  /** [K/16] dot * SF * SF */
  term: float64Array,
  /** [K/16] running sum in the accumulator's precision; begins again with each slice */
  sum: float64Array,
});
export type DotHistory = z.infer<typeof DotHistorySchema>;

export const SlotHistorySchema = z.object({
  slot: z.number().int(),
  expert: z.number().int(),
  weight: z.number(),
  /** an activation is code * SF * activationScale; a weight code * SF * multiplier / activationScale */
  activationScale: z.number(),
  multiplier: z.number(),
  /** FC2 of this slot after its multiplier, before the router weight */
  fc2: z.number(),
  /** which of the expert's rows of the batch this pair is */
  rowInExpert: z.number().int(),
  /** output tile of the expert that wrote it, along rows and along H; null where the kernel has no tiles */
  tile: z.object({ m: z.number().int(), n: z.number().int() }).nullable(),
  act: float64Array, // [I] before requantization
  dot: DotHistorySchema, // along I
  /** slices of FC2 along I: K blocks, the accumulator, and it after the multiplier as the kernel rounds it */
  slices: z.array(
    z.object({ firstBlock: z.number().int(), blocks: z.number().int(), acc: z.number(), scaled: z.number() }),
  ),
});
export type SlotHistory = z.infer<typeof SlotHistorySchema>;

export const Fc1HistorySchema = z.object({
  slot: z.number().int(),
  element: z.number().int(),
  activationScale: z.number(),
  multiplier: z.number(),
  x: float64Array, // [H]
  up: DotHistorySchema,
  gate: DotHistorySchema.nullable(),
  /** after FC1's multiplier, as the kernel keeps them */
  upValue: z.number(),
  gateValue: z.number().nullable(),
  act: z.number(),
});
export type Fc1History = z.infer<typeof Fc1HistorySchema>;

export const SideHistorySchema = z.object({
  side: z.enum(sides),
  path: z.enum(paths),
  kernel: z.enum(kernels),
  tileM: z.number().int(),
  tileN: z.number().int(),
  y: z.number(),
  /** how contributions become y, in words */
  reduction: z.string(),
  slots: z.array(SlotHistorySchema),
  /** every addition into y in the kernel's order: the router weight is in `value`; `sum` in the precision of y's sum */
  additions: z.array(z.object({ slot: z.number().int(), slice: z.number().int(), value: z.number(), sum: z.number() })),
  fc1: Fc1HistorySchema.nullable(),
});
export type SideHistory = z.infer<typeof SideHistorySchema>;

export const partingSteps = ['x', 'w13', 'fc1', 'activation', 'requantized', 'w2', 'fc2', 'contribution', 'y'] as const;
/** The first place of one step where the two sides are not equal: values as they stand for, scales included. */
export const PartingSchema = z.object({
  step: z.enum(partingSteps),
  slot: z.number().int(), // -1: of the whole token
  /** "block 12", "element 130", "slice 2" */
  at: z.string(),
  a: z.number(),
  b: z.number(),
});
export type Parting = z.infer<typeof PartingSchema>;

const orReason = z.union([SideHistorySchema, z.object({ reason: z.string() })]);
export const ElementHistorySchema = z.object({
  batch: z.number().int(),
  token: z.number().int(),
  column: z.number().int(),
  a: orReason,
  b: orReason,
  /** in the order of the pipeline, at most one a step; empty when the two are equal all the way, or one is missing */
  partings: z.array(PartingSchema),
});
export type ElementHistory = z.infer<typeof ElementHistorySchema>;

const spread = { max: z.number(), p95: z.number() };
/** How far one side moves by itself, as NRMSE against its own answer in the documented order. */
export const SideNoiseSchema = z.object({
  side: z.enum(sides),
  /** runs with other accumulation seeds */
  repeats: z.object({ runs: z.number().int(), identical: z.number().int(), ...spread }),
  /** sums of a sample of elements taken again: in other orders in the kernel's precision, and in fp64; null where nothing is summed */
  orders: z.object({ orders: z.number().int(), elements: z.number().int(), fp64: z.number(), ...spread }).nullable(),
});
export type SideNoise = z.infer<typeof SideNoiseSchema>;

export const NoiseSchema = z.object({
  batch: z.number().int(),
  a: z.enum(sides),
  b: z.enum(sides),
  runs: z.number().int(),
  stages: z.array(
    z.object({
      stage: z.enum(stages),
      /**
       * Largest NRMSE that noise explains: max of `a` plus max of `b` (triangle inequality), and at least that of the stage
       * before, whose noise is carried on.
       */
      floor: z.number(),
      nrmse: z.number().nullable(),
      sides: z.array(SideNoiseSchema),
    }),
  ),
  /** the first stage with elements out of tolerance whose NRMSE is above its floor */
  firstDiverging: z.enum(stages).nullable(),
  /** whether every run of every side gave the same bits in every stage */
  deterministic: z.boolean(),
  /** what could not be measured, one sentence each */
  remarks: z.array(z.string()),
});
export type Noise = z.infer<typeof NoiseSchema>;
