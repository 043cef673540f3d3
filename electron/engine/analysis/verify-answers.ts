/**
 * A provider's answers against the cpu provider's: the same path, contract and batch on both. The five items compare a provider
 * with itself, so kernels that are wrong alike on both paths pass them.
 */
import { AppError } from '../../contract/errors';
import type { VerifyContext, VerifyStatus } from './verify';
import { hasBothPaths, outputDistance } from './verify-batches';

export interface AnswerRow {
  tokens: number;
  path: 'b12x' | 'cutlass';
  /** the kernel that the provider ran */
  kernel: string;
  /** y against the cpu provider's y */
  nrmse: number;
  cosine: number;
}

export interface Answers {
  status: VerifyStatus;
  /** one sentence: what was shown, why it failed or was left out */
  reason: string;
  limits: typeof fixedGate;
  rows: AnswerRow[];
}

/**
 * FlashInfer #3407's fixed gate across backends. Roundings at other places flip FP4 codes: on an H100 y of b12x-upcast, which adds
 * FC2's sums in fp32, was 0.011 from the cpu provider's, that of cutlass-sm90 equal to it.
 */
export const fixedGate = { nrmse: 0.05, cosine: 0.999 };

/**
 * null for the cpu provider itself and for `reference`, whose fp64 has none of the kernels' roundings.
 * @param tokenCounts batches to run, on each path that the provider has
 * @throws AppError for what is no finding: `cancelled`, `device-lost`, `out-of-memory`
 */
export async function answersOf(context: VerifyContext, tokenCounts: readonly number[]): Promise<Answers | null> {
  const { provider, binding, layer, threshold } = context;
  if (provider.name === 'cpu' || provider.name === 'reference') return null;
  const both = hasBothPaths(layer, provider);
  const prepared = both ? Math.max(1, threshold.tokens) : 0;
  const cancel = context.cancel ? { cancel: context.cancel } : {};
  const rows: AnswerRow[] = [];
  try {
    const own = context.wrapper(prepared);
    const cpu = context.wrapper(prepared, binding.openProvider('cpu'));
    try {
      for (const tokens of tokenCounts) {
        const batch = await context.batch(tokens);
        for (const path of both ? (['b12x', 'cutlass'] as const) : (['b12x'] as const)) {
          const actual = await own.run(batch, { force: path, ...cancel });
          const wanted = await cpu.run(batch, { force: path, ...cancel });
          const apart = await outputDistance(binding, actual.result, wanted.result);
          rows.push({ tokens, path, kernel: actual.decision.kernel, ...apart });
        }
      }
    } finally {
      await cpu.destroy();
      await own.destroy();
    }
  } catch (thrown) {
    const error = AppError.from(thrown);
    if (error.code !== 'unsupported') throw error;
    return { status: 'skip', reason: error.message, limits: fixedGate, rows };
  }
  return judged(rows);
}

/** What is not a number is not inside. */
function judged(rows: AnswerRow[]): Answers {
  const outside = rows.filter(({ nrmse, cosine }) => !(nrmse < fixedGate.nrmse && cosine > fixedGate.cosine));
  const limits = `NRMSE < ${fixedGate.nrmse}, cosine > ${fixedGate.cosine}`;
  if (outside.length > 0) {
    const worst = outside.reduce((a, b) => (b.nrmse > a.nrmse ? b : a));
    const reason = `${outside.length} of ${rows.length} outputs are not the cpu provider's (${limits}); ${worst.tokens} tokens on ${worst.path}: NRMSE ${worst.nrmse.toFixed(4)}, cosine ${worst.cosine.toFixed(6)}.`;
    return { status: 'fail', reason, limits: fixedGate, rows };
  }
  const most = Math.max(...rows.map(({ nrmse }) => nrmse));
  return {
    status: 'pass',
    reason: `${rows.length} outputs are the cpu provider's: NRMSE at most ${most.toFixed(4)} (${limits}).`,
    limits: fixedGate,
    rows,
  };
}
