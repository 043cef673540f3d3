/** Causes that the stored bytes of a checkpoint show, whatever the contract (block scales and codes as exported). */
import { addStored, type Census, type StoredCounts } from './census';
import type { LayerFacts, ProjectionFacts } from './facts';
import { expertsAbove, type Found, type Hazard, percentText } from './hazard';

const perExpert = (census: Census): StoredCounts[] =>
  Array.from({ length: census.planes }, (_, plane) => census.stored(plane));

/** Rules about codes say nothing of a recording that has none. */
const withoutCodes = ({ projections }: LayerFacts): string | null =>
  projections.some(({ census }) => !census.codesKnown)
    ? 'the weights were not recorded: their codes are not known'
    : null;

const share = (part: number, of: number) => (of === 0 ? 0 : part / of);

/** From this share on, subnormal scales are more than the tail of a tensor: a hundredth of its live blocks. */
const manySubnormal = 0.01;

export const subnormalScales: Hazard = {
  id: 'stored-subnormal-scales',
  title: 'stored block scales are subnormal',
  reference: 'Model-Optimizer #1573 (rho above 28672), local-inference-lab/b12x #388, FlashInfer #3932',
  looksAt: 'scale bytes 0x01 to 0x07 of live blocks: rho = global amax / block amax above 28672',
  find: ({ projections }) =>
    projections.flatMap(({ name, tensor, census }): Found[] => {
      const experts = perExpert(census);
      const { live, subnormal } = addStored(experts);
      if (subnormal === 0) return [];
      return [
        {
          severity: share(subnormal, live) >= manySubnormal ? 'warning' : 'info',
          tensor: `checkpoint/${tensor}_weight_scale`,
          projection: name,
          experts: expertsAbove(
            experts.map((one) => one.subnormal),
            1,
          ),
          measured: { subnormal, subnormalShare: share(subnormal, live), liveScales: live, rhoAbove: 28672 },
          explanation: `${percentText(share(subnormal, live))} of the scales of live blocks are below 2^-6: they have fewer than three mantissa bits, and a reader that takes exponent 0 for a normal number decodes them up to 4.5 times too large.`,
          remedy:
            'Export with a smaller global amax for this tensor, and check that every reader decodes byte 0x01 as 2^-9.',
        },
      ];
    }),
};

/** A tensor has its amax block at 448 and few above 432. Clipping piles up there: more than four times the bin below says so. */
const fewSaturated = 16;
const byteBelow = 0x7d;

export const saturatedScales: Hazard = {
  id: 'saturated-block-scales',
  title: 'block scales saturate at 448',
  reference: 'Model-Optimizer #1573 (rho below 1)',
  looksAt: 'live blocks at 448 against those at 416, expert by expert',
  find: ({ projections }) =>
    projections.flatMap(({ name, tensor, census }): Found[] => {
      const experts = perExpert(census);
      const clipped = experts.map(({ saturated }, plane) =>
        saturated >= fewSaturated && saturated > 4 * census.live(plane, byteBelow) ? saturated : 0,
      );
      const all = clipped.reduce((sum, count) => sum + count, 0);
      if (all === 0) return [];
      const live = addStored(experts).live;
      return [
        {
          // A hundredth of the blocks clipped is more than outliers.
          severity: share(all, live) >= 0.01 ? 'error' : 'warning',
          tensor: `checkpoint/${tensor}_weight_scale`,
          projection: name,
          experts: expertsAbove(clipped, 1),
          measured: { saturated: all, saturatedShare: share(all, live), liveScales: live },
          explanation: `${all} blocks pile up at 448: their amax lies above the global amax that weight_scale_2 stands for (rho below 1), so their largest weights were clamped.`,
          remedy: 'Calibrate the global amax over the whole tensor and export again.',
        },
      ];
    }),
};

export const lostBlocks: Hazard = {
  id: 'lost-blocks',
  title: 'blocks with weights have scale 0',
  reference: 'Model-Optimizer #1573, sglang #32119',
  looksAt: 'blocks with a code that is not zero under a scale byte of 0',
  notChecked: withoutCodes,
  find: ({ projections }) =>
    projections.flatMap(({ name, tensor, census }): Found[] => {
      const experts = perExpert(census);
      const { live, lost } = addStored(experts);
      if (lost === 0) return [];
      return [
        {
          // The share of zeros that sglang #32119 published as damage.
          severity: share(lost, live) >= 0.0002504 ? 'error' : 'warning',
          tensor: `checkpoint/${tensor}_weight_scale`,
          projection: name,
          experts: expertsAbove(
            experts.map((one) => one.lost),
            1,
          ),
          measured: { lost, lostShare: share(lost, live), liveScales: live },
          explanation: `${lost} blocks have codes and a scale of 0: 16 weights each read as zero. Their amax underflowed when the scale was rounded, or the scale was multiplied by weight_scale_2 before export.`,
          remedy: 'Export again with weight_scale_2 kept apart; clamp block scales at 2^-9 as ModelOpt does.',
        },
      ];
    }),
};

export const zeroBlocks: Hazard = {
  id: 'zero-blocks',
  title: 'blocks without any weight',
  reference: 'ModelOpt writes scale 1.0 for such blocks, compressed-tensors 0.125; both mean zero',
  looksAt:
    'blocks whose 16 codes are all zero; their scale byte, which differs by exporter, is left out of every share',
  notChecked: withoutCodes,
  find: ({ projections }) =>
    projections.flatMap(({ name, tensor, census }): Found[] => {
      const experts = perExpert(census);
      const { blocks, zeroBlocks: zero } = addStored(experts);
      if (zero === 0) return [];
      return [
        {
          severity: 'info',
          tensor: `checkpoint/${tensor}_weight_scale`,
          projection: name,
          experts: expertsAbove(
            experts.map((one) => one.zeroBlocks),
            1,
          ),
          measured: { zeroBlocks: zero, zeroShare: share(zero, blocks), blocks },
          explanation: `${zero} blocks have only zero codes. Whatever their scale is, they are zero; scale statistics that count them depend on the exporter.`,
          remedy: 'Nothing to do. Compare scale statistics over live blocks only.',
        },
      ];
    }),
};

/**
 * A scale of s steps of 2^-9 stands for amax / 6 in (s - 1/2, s + 1/2]. Packed with the rounded scale, the largest code is 4 or
 * less where amax / 6 is below 5 s / 6: with amax / 6 spread evenly, for 1/3 of the blocks at s = 1 and 1/6 at s = 2. Packed with
 * the unrounded scale it is always 6. Normal scales are too fine to show it: both give 6.
 */
const belowSixShare = [0, 1 / 3, 1 / 6] as const;
/** A false alarm in a million projections. */
const chanceLimit = 1e-6;

function unroundedIn({ name, tensor, census }: ProjectionFacts): Found[] {
  let blocks = 0;
  let below = 0;
  let logChance = 0;
  const planes: number[] = [];
  for (let plane = 0; plane < census.planes; plane++) {
    let own = 0;
    for (const byte of [1, 2] as const) {
      const live = census.live(plane, byte);
      own += live;
      below += live - census.at(plane, byte, 7);
      logChance += live * Math.log(1 - belowSixShare[byte]);
    }
    planes.push(own);
    blocks += own;
  }
  if (blocks === 0 || below > 0 || logChance > Math.log(chanceLimit)) return [];
  return [
    {
      severity: 'warning',
      tensor: `checkpoint/${tensor}_weight_scale`,
      projection: name,
      experts: expertsAbove(planes, 1),
      measured: { blocks, belowSix: below, log10Chance: logChance / Math.LN10 },
      explanation: `All ${blocks} blocks under a scale of 2^-9 or 2^-8 reach code 6. Packed with the rounded scale a third or a sixth of them would stop at 4: the codes were made with the scale before it was rounded to E4M3.`,
      remedy: 'Pack the codes with the E4M3 scale that is stored (Model-Optimizer #2243) and export again.',
    },
  ];
}

export const unroundedPacking: Hazard = {
  id: 'unrounded-packing',
  title: 'FP4 codes were packed with the unrounded scale',
  reference: 'Model-Optimizer #2243',
  looksAt:
    'largest codes under the scale bytes 0x01 and 0x02; normal scales cannot show it without the original weights',
  notChecked: (facts) =>
    withoutCodes(facts) ??
    (facts.projections.every(({ census }) =>
      perExpert(census).every((_, plane) => census.live(plane, 1) + census.live(plane, 2) === 0),
    )
      ? 'no scale is small enough to show it; the original weights would be needed'
      : null),
  find: ({ projections }) => projections.flatMap(unroundedIn),
};
