/** Where the threshold (`cutlass_prefill_threshold`, in tokens) comes from, and who may have one above 0. */
import { AppError } from '../../contract/errors';
import { largestThreshold, type Threshold, thresholdVariable } from '../../contract/layer';
import type { Capabilities } from '../native/binding';

export interface ThresholdSources {
  /** given by hand; `where` names the option or control ("--threshold") */
  argument?: { tokens: number; where: string };
  /** recorded in a session; `where` names the session */
  session?: { tokens: number; where: string };
  env?: Record<string, string | undefined>;
}

export interface ResolvedThreshold {
  threshold: Threshold;
  warnings: string[];
}

/**
 * Argument, then session, then the environment variable of vLLM #43687, then 0. An environment value that is no whole
 * number from 0 to 2^30 counts as 0, with a warning (FlashInfer #3407: bad values mean 0).
 * @throws AppError `bad-option` for an argument or session value that is no whole number from 0 to 2^30.
 */
export function resolveThreshold({ argument, session, env = process.env }: ThresholdSources): ResolvedThreshold {
  for (const [kind, given] of [
    ['argument', argument],
    ['session', session],
  ] as const) {
    if (!given) continue;
    if (!Number.isSafeInteger(given.tokens) || given.tokens < 0 || given.tokens > largestThreshold) {
      throw new AppError({
        code: 'bad-option',
        message: `The threshold from ${given.where} is not a number of tokens.`,
        subject: given.where,
        expected: `a whole number from 0 to ${largestThreshold} (0 = pure b12x)`,
        found: String(given.tokens),
      });
    }
    return { threshold: { tokens: given.tokens, origin: { kind, where: given.where } }, warnings: [] };
  }
  const text = env[thresholdVariable]?.trim();
  if (!text) return { threshold: { tokens: 0, origin: { kind: 'default', where: thresholdVariable } }, warnings: [] };
  const tokens = /^\+?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  const origin = { kind: 'environment', where: thresholdVariable } as const;
  if (tokens <= largestThreshold) return { threshold: { tokens, origin }, warnings: [] };
  const warning = `${thresholdVariable}=${text} is no whole number from 0 to ${largestThreshold}; 0 is used (pure b12x).`;
  return { threshold: { tokens: 0, origin }, warnings: [warning] };
}

/** The message of vLLM #43687 (`_ensure_wrapper`) for an older FlashInfer; support staff and scripts look for it. */
export const olderBuildMessage =
  'VLLM_FLASHINFER_B12X_CUTLASS_PREFILL_THRESHOLD > 0 requires a FlashInfer build that exposes the `cutlass_prefill_threshold` kwarg on B12xMoEWrapper; current FlashInfer does not.';

/**
 * The gate of wrapper construction: above 0 only with the capability; 0 is always silent.
 * @throws AppError `threshold-unsupported` with the published message.
 */
export function checkThresholdSupport(
  threshold: Threshold,
  provider: { name: string; version: string },
  capabilities: Pick<Capabilities, 'cutlassPrefillThreshold'>,
): void {
  if (threshold.tokens === 0 || capabilities.cutlassPrefillThreshold) return;
  throw new AppError({
    code: 'threshold-unsupported',
    message: olderBuildMessage,
    subject: `provider ${provider.name} ${provider.version}`,
    expected: 'threshold 0, or a provider with cutlass_prefill_threshold',
    found: `threshold ${threshold.tokens} (${threshold.origin.where})`,
    remedy: 'Use threshold 0, or another provider.',
  });
}
