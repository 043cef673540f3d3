import type { Workload } from '../../contract/session';
import { seedOf, streams, uniform } from './random';

/** Batches of up to so many tokens are shown as decode: one token a sequence, as a server with few users would batch. */
export const decodeMaxTokens = 16;

export type Phase = 'prefill' | 'decode';

export function phaseOf(tokens: number): Phase {
  return tokens <= decodeMaxTokens ? 'decode' : 'prefill';
}

/**
 * Token count of batch `index` of a workload, from (seed, index) alone. Decode batches have 1..16 tokens, uniform; prefill
 * batches are log-uniform over 17..maxTokens, so that every power of two is as likely as the next; a sequence goes in a circle.
 */
export function tokensOf(workload: Workload, index: number): number {
  if (workload.kind === 'sequence' && workload.tokens.length > 0)
    return workload.tokens[index % workload.tokens.length] as number;
  const seed = seedOf(workload.seed, index, streams.tokens);
  const share = workload.kind === 'decode' ? 0 : workload.kind === 'prefill' ? 1 : workload.prefillShare;
  const wantsPrefill = uniform(seed, 0) < share;
  const draw = uniform(seed, 1);
  if (!wantsPrefill || workload.maxTokens <= decodeMaxTokens) {
    return 1 + Math.floor(draw * Math.min(decodeMaxTokens, workload.maxTokens));
  }
  const low = Math.log(decodeMaxTokens + 1);
  const high = Math.log(workload.maxTokens + 1);
  return Math.min(workload.maxTokens, Math.floor(Math.exp(low + draw * (high - low))));
}
