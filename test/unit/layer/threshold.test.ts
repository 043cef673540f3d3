import { describe, expect, it } from 'vitest';
import { thresholdVariable } from '../../../electron/contract/layer';
import { checkThresholdSupport, olderBuildMessage, resolveThreshold } from '../../../electron/engine/layer/threshold';

const env = (value: string) => ({ [thresholdVariable]: value });

describe('where the threshold comes from', () => {
  it.each([
    ['nothing', {}, 0, 'default'],
    ['the environment', { env: env('128') }, 128, 'environment'],
    ['the environment with spaces and a sign', { env: env(' +64 ') }, 64, 'environment'],
    ['an empty variable', { env: env('') }, 0, 'default'],
    [
      'an argument before the environment',
      { argument: { tokens: 9, where: '--threshold' }, env: env('128') },
      9,
      'argument',
    ],
    [
      'the argument 0 before the environment',
      { argument: { tokens: 0, where: '--threshold' }, env: env('128') },
      0,
      'argument',
    ],
    [
      'a session before the environment',
      { session: { tokens: 32, where: 'a.moesession' }, env: env('128') },
      32,
      'session',
    ],
    [
      'an argument before a session',
      { argument: { tokens: 9, where: '--threshold' }, session: { tokens: 32, where: 'a' }, env: {} },
      9,
      'argument',
    ],
  ])('%s', (_what, sources, tokens, kind) => {
    const { threshold, warnings } = resolveThreshold({ env: {}, ...sources });
    expect(threshold.tokens).toBe(tokens);
    expect(threshold.origin.kind).toBe(kind);
    expect(warnings).toEqual([]);
  });

  it.each(['abc', '-1', '1.5', '128 tokens', '0x80', '99999999999', '1073741825', '1e3'])(
    '%j in the environment counts as 0, with a warning',
    (value) => {
      const { threshold, warnings } = resolveThreshold({ env: env(value) });
      expect(threshold).toEqual({ tokens: 0, origin: { kind: 'environment', where: thresholdVariable } });
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain(value);
    },
  );

  it.each([-1, 1.5, Number.NaN, 2 ** 31])('an argument of %d is an error', (tokens) => {
    expect(() => resolveThreshold({ argument: { tokens, where: '--threshold' } })).toThrow(/--threshold/);
  });
});

describe('an older build', () => {
  const provider = { name: 'older', version: '0.6.12' };
  const threshold = (tokens: number) => ({ tokens, origin: { kind: 'argument', where: '--threshold' } as const });

  it('is silent at 0', () => {
    expect(() => checkThresholdSupport(threshold(0), provider, { cutlassPrefillThreshold: false })).not.toThrow();
  });

  it('refuses anything above with the published message', () => {
    expect(() => checkThresholdSupport(threshold(1), provider, { cutlassPrefillThreshold: false })).toThrow(
      olderBuildMessage,
    );
    expect(olderBuildMessage).toMatch(
      /^VLLM_FLASHINFER_B12X_CUTLASS_PREFILL_THRESHOLD > 0 requires a FlashInfer build that exposes the `cutlass_prefill_threshold` kwarg/,
    );
  });

  it('a provider with the capability takes it', () => {
    expect(() => checkThresholdSupport(threshold(128), provider, { cutlassPrefillThreshold: true })).not.toThrow();
  });
});
