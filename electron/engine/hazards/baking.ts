/** H1: weight_scale_2 multiplied into the E4M3 block scales. */
import type { Severity } from '../../contract/hazards';
import { addRounding, meanRelative, noRounding, type Rounding, weightError } from './census';
import type { LayerFacts, ProjectionFacts } from './facts';
import { expertsAbove, type Found, type Hazard, percentText } from './hazard';

/**
 * error, any of:
 * - one live scale in a hundred is off by more than 1/16: more than one more rounding to three mantissa bits can do, so the loss
 *   is that of the subnormal grid (448 * s2 is 4.6 of its steps at s2 = 2e-5);
 * - the means published as a defect over 36,096 projections of a real checkpoint are reached (sglang #32119): 4.571 % of error
 *   in a scale, or 0.02504 % of the scales rounded to zero, each of which takes 16 weights with it.
 */
const beyondShare = 0.01;
const publishedMean = 0.04571;
const publishedZero = 0.0002504;

/** null: SF * weight_scale_2 is exact, which powers of two that stay in the normal range give. */
function severityOf(rounding: Rounding): Severity | null {
  const { live, inexact, beyond, zero, subnormal } = rounding;
  if (inexact === 0) return null;
  if (beyond / live >= beyondShare || zero / live >= publishedZero || meanRelative(rounding) >= publishedMean)
    return 'error';
  if (zero + subnormal > 0) return 'warning';
  // Rounded a second time with all mantissa bits: 2 % on average, next to the 9.5 % of quantizing to FP4 (FlashInfer #4290).
  return 'info';
}

const rank = { error: 0, warning: 1, info: 2 };

/** What `e4m3(SF * weight_scale_2)` does to each expert of a projection. */
export const bakedScales = ({ census, s2 }: ProjectionFacts): Rounding[] =>
  Array.from(s2, (factor, expert) => census.rounded(expert, factor));

function findIn(projection: ProjectionFacts): Found[] {
  const experts = bakedScales(projection);
  const all = experts.reduce(addRounding, noRounding());
  const severity = severityOf(all);
  if (severity === null) return [];
  const concerned = experts.map((one) => {
    const own = severityOf(one);
    return own !== null && rank[own] <= rank[severity] ? 1 + meanRelative(one) : 0;
  });
  const order = expertsAbove(concerned, 1);
  const means = experts.map(meanRelative);
  const worst = means.indexOf(Math.max(...means));
  const worstOne = experts[worst]!;
  const weights = weightError(all);
  const lost = all.zero > 0 ? ` ${all.zero} become 0 and take their 16 weights with them.` : '';
  return [
    {
      severity,
      tensor: `b12x/${projection.tensor}_weight_scale`,
      projection: projection.name,
      experts: order,
      measured: {
        liveScales: all.live,
        subnormal: all.subnormal,
        subnormalShare: all.subnormal / all.live,
        zero: all.zero,
        zeroShare: all.zero / all.live,
        meanRelativeError: meanRelative(all),
        worstRelativeError: all.worstRelative,
        beyondRounding: all.beyond / all.live,
        ...(weights !== null && { weightRelL2: weights }),
        worstExpert: worst,
        worstExpertMean: meanRelative(worstOne),
        worstExpertZeroShare: worstOne.live === 0 ? 0 : worstOne.zero / worstOne.live,
      },
      explanation: `The contract stores e4m3(SF * weight_scale_2): ${percentText(all.subnormal / all.live)} of the scales of live blocks become subnormal, ${percentText(all.zero / all.live)} zero, and a scale is off by ${percentText(meanRelative(all))} on average.${lost}`,
      remedy:
        'Keep the block scales and pass weight_scale_2 as an fp32 alpha with input_global_scale (FlashInfer #3932, vLLM #48536): contract clean.',
    },
  ];
}

export const baking: Hazard = {
  id: 'H1-baked-block-scales',
  title: 'weight_scale_2 is baked into the E4M3 block scales',
  reference: 'sglang #32119, FlashInfer #3933, FlashInfer #3932, vLLM #40082, vLLM #48536',
  looksAt: 'every live block scale after e4m3(SF * weight_scale_2), against the exact product',
  notChecked: ({ contract }) => (contract === 'clean' ? 'contract clean keeps the block scales' : null),
  find: ({ projections }: LayerFacts) => projections.flatMap(findIn),
};
