/**
 * The five items of the published test plan (vLLM #43687) and the parity table, measured on one layer.
 * Inputs are x ~ N(0, 1) with random logits through the checkpoint's own routing, from a seed.
 */
import { AppError } from '../../contract/errors';
import type { Contract, Threshold } from '../../contract/layer';
import type { LoadedLayer } from '../layer/load-layer';
import { olderBuildMessage } from '../layer/threshold';
import { Wrapper, type WrapperOptions } from '../layer/wrapper';
import type { CancelFlag, NativeBinding, NativeTensor, Provider } from '../native/binding';
import type { Router } from '../workload/generate';
import { CausesContext, measureCauses } from './causes';
import { type Answers, answersOf, fixedGate } from './verify-answers';
import { type BatchMaker, batchMaker, hasBothPaths, outputBits, outputDistance, sameBytes } from './verify-batches';
import { verifyEplb } from './verify-eplb';
import { distanceToIdeal, type IdealDistance } from './verify-ideal';

/** Above rounding's own share: FP4 requantization flips set a floor that grows with a layer's shape. */
const floorFactor = 1.25;

export const parityTokens: readonly number[] = [1, 63, 64, 65, 127, 128, 129, 256];

export type VerifyStatus = 'pass' | 'fail' | 'skip';
export interface VerifyCause {
  id: string;
  name: string;
  nrmse: number;
  explanation: string;
}
export interface VerifyItem {
  id: 1 | 2 | 3 | 4 | 5;
  name: string;
  status: VerifyStatus;
  /** one sentence: why it failed or was left out, or what was shown */
  reason: string;
  measured: Record<string, unknown>;
  causes?: VerifyCause[];
}
export interface ParityRow {
  tokens: number;
  /** what the threshold decides for so many tokens */
  path: string;
  kernel: string;
  /** b12x against CUTLASS on the same batch, both forced; null where CUTLASS cannot run */
  nrmse: number | null;
  cosine: number | null;
}
export interface VerifyReport {
  items: VerifyItem[];
  parity: ParityRow[];
  /** the provider against the cpu provider; null for the cpu provider itself and `reference` */
  answers: Answers | null;
  /** the CUTLASS path against the checkpoint's own answer; null where it cannot run */
  ideal: IdealDistance | null;
  /** what the parity table shows and the test plan does not ask for */
  remarks: string[];
}

export interface VerifyOptions {
  binding: NativeBinding;
  provider: Provider;
  /** a provider without cutlass_prefill_threshold, as an older FlashInfer; null when the library is not built */
  older: { provider: Provider | null; reason: string };
  layer: LoadedLayer;
  router: Router;
  contract: Contract;
  threshold: Threshold;
  rules: WrapperOptions['rules'];
  seed: number;
  cancel?: CancelFlag;
  onProgress?: (label: string, done: number, total: number) => void;
}

/** What the items share. */
export interface VerifyContext extends VerifyOptions {
  batch: BatchMaker;
  wrapper(threshold: number, provider?: Provider): Wrapper;
}

type Finding = Pick<VerifyItem, 'status' | 'reason' | 'measured' | 'causes'>;

/** @throws AppError for what is no finding: `cancelled`, `device-lost`, `out-of-memory`. */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const context: VerifyContext = {
    ...options,
    batch: batchMaker(options.binding, options.router, options.seed),
    wrapper: (tokens, provider = options.provider) =>
      new Wrapper({ ...options, provider, threshold: { ...options.threshold, tokens } }),
  };
  const items: VerifyItem[] = [];
  const steps: [VerifyItem['id'], string, (context: VerifyContext) => Promise<Finding>][] = [
    [1, 'threshold 0 equals the baseline', thresholdZero],
    [2, `threshold ${options.threshold.tokens}: prefill through CUTLASS, decode through b12x, FP-close`, hybrid],
    [3, 'older build, threshold 0: runs as before', olderBuildSilent],
    [4, 'older build, threshold above 0: refused at wrapper construction', olderBuildRefuses],
    [5, 'EPLB: every registered parameter is permuted in lockstep', verifyEplb],
  ];
  const stages = steps.length + 3;
  for (const [id, name, check] of steps) {
    options.onProgress?.(`item ${id}`, id - 1, stages);
    items.push({ id, name, ...(await finding(check, context)) });
  }
  options.onProgress?.('parity', steps.length, stages);
  const rows = await parity(context);
  options.onProgress?.('answers of the cpu provider', steps.length + 1, stages);
  const answers = await answersOf(context, parityTokens);
  options.onProgress?.('distance to ideal', steps.length + 2, stages);
  const ideal = await distanceToIdeal(context, options.binding.openProvider('reference'));
  return { items, parity: rows, answers, ideal, remarks: remarksOf(rows, context) };
}

/**
 * Direct micro (synced from upstream b12x) MULTIPLIES by the FC input scale, the other b12x kernels divide by it, and
 * FlashInfer hands the same number to both; with a scale that is not 1 its results would be off by about its square.
 * Derived from moe_direct_micro_kernel.py and moe_dispatch.py of 2026-08-22; no public report, not seen on hardware, so
 * the cpu provider divides unless MOESCOPE_DIRECT_MICRO_SCALE=multiplier is set.
 */
function remarksOf(rows: readonly ParityRow[], { contract, threshold }: VerifyContext): string[] {
  const direct = rows.filter(({ kernel }) => kernel === 'direct-micro');
  if (contract === 'unit-alpha' || direct.length === 0) return [];
  const tokens = direct.map((row) => row.tokens).join(', ');
  return [
    `${tokens} tokens (threshold ${threshold.tokens}): in FlashInfer's source of 2026-08-22 direct micro multiplies by the activation scale where the other b12x kernels divide; under ${contract} that scale is not 1. Not seen on hardware, so the cpu provider divides; MOESCOPE_DIRECT_MICRO_SCALE=multiplier shows what that reading would give.`,
  ];
}

/** What cannot run here (no input scales, a capability) is left out with its reason; everything else is an error. */
async function finding(check: (context: VerifyContext) => Promise<Finding>, context: VerifyContext): Promise<Finding> {
  try {
    return await check(context);
  } catch (thrown) {
    const error = AppError.from(thrown);
    if (error.code !== 'unsupported' && error.code !== 'threshold-unsupported') throw error;
    return { status: 'skip', reason: error.message, measured: {} };
  }
}

function conclude(faults: readonly string[], shown: string, measured: Record<string, unknown>): Finding {
  return faults.length === 0
    ? { status: 'pass', reason: shown, measured }
    : { status: 'fail', reason: faults.join(' '), measured };
}

/** Around the threshold and well above it. */
const tokensAround = (threshold: number): number[] =>
  [...new Set([1, Math.max(1, threshold), 2 * Math.max(1, threshold)])].map((tokens) => Math.min(tokens, 512));

/**
 * Item 1. With threshold 0 there is no trace of CUTLASS: none of the six parameters, no registration, every batch on b12x.
 * And what b12x reads is what it reads in a layer prepared for hybrid use: same bytes of every live parameter, same output bits.
 */
async function thresholdZero(context: VerifyContext): Promise<Finding> {
  const off = context.wrapper(0);
  const faults: string[] = [];
  try {
    const { prepared } = await off.ensure();
    const extra = prepared
      .tensors()
      .map((tensor) => tensor.info().name)
      .filter((name) => name.includes('_cutlass_'));
    if (extra.length > 0) faults.push(`CUTLASS parameters are registered: ${extra.join(', ')}.`);
    if (off.registrations > 0) faults.push('CUTLASS was registered.');
    const hybridPossible = context.threshold.tokens > 0 && hasBothPaths(context.layer, context.provider);
    const baseline = hybridPossible ? context.wrapper(context.threshold.tokens) : context.wrapper(0);
    const compared: { tokens: number; path: string; identical: boolean }[] = [];
    try {
      const other = await baseline.ensure();
      faults.push(...(await differingParameters(prepared.tensors(), other.prepared.tensors())));
      for (const tokens of tokensAround(context.threshold.tokens)) {
        const batch = await context.batch(tokens);
        const { decision, result } = await off.run(batch, context.cancel ? { cancel: context.cancel } : {});
        const base = await baseline.run(batch, { force: 'b12x', ...(context.cancel && { cancel: context.cancel }) });
        const identical = sameBytes(outputBits(result), outputBits(base.result));
        compared.push({ tokens, path: decision.path, identical });
        if (decision.path !== 'b12x') faults.push(`${tokens} tokens went to ${decision.path}.`);
        if (!identical) faults.push(`The output of ${tokens} tokens differs from the baseline.`);
      }
    } finally {
      await baseline.destroy();
    }
    const measured = {
      registeredCutlassParameters: extra.length,
      registrations: off.registrations,
      baseline: hybridPossible ? 'b12x of the layer prepared for hybrid use' : 'a second preparation',
      compared,
    };
    return conclude(
      faults,
      `No CUTLASS parameter, no registration; outputs bit-identical for ${compared.map(({ tokens }) => tokens).join(', ')} tokens.`,
      measured,
    );
  } finally {
    await off.destroy();
  }
}

async function differingParameters(a: NativeTensor[], b: NativeTensor[]): Promise<string[]> {
  const faults: string[] = [];
  for (const tensor of a) {
    const { name } = tensor.info();
    const other = b.find((candidate) => candidate.info().name === name);
    const same = other !== undefined && (await tensor.planeHashes()).join() === (await other.planeHashes()).join();
    if (!same) faults.push(`Parameter ${name} is not the same in a layer prepared for hybrid use.`);
  }
  return faults;
}

/**
 * Item 2. Decisions around the threshold, one registration, and the distance of the paths on a whole batch of T >= 64
 * tokens: at most max(0.05, 1.25 x the distance of the same pair under `clean`, which is rounding's own share).
 */
async function hybrid(context: VerifyContext): Promise<Finding> {
  const { threshold, layer, contract } = context;
  if (threshold.tokens === 0) {
    return { status: 'skip', reason: 'The threshold is 0: hybrid dispatch is off.', measured: {} };
  }
  const wrapper = context.wrapper(threshold.tokens);
  const causes = new CausesContext({
    binding: context.binding,
    provider: context.provider,
    checkpoint: layer.native,
    contract,
    decide: (tokens, force) => wrapper.decide(tokens, force),
  });
  try {
    const faults: string[] = [];
    const decisions = [Math.max(1, threshold.tokens - 1), threshold.tokens, threshold.tokens + 1].map((tokens) => {
      const { path, kernel } = wrapper.decide(tokens);
      const wanted = tokens >= threshold.tokens ? 'cutlass' : 'b12x';
      if (path !== wanted) faults.push(`${tokens} tokens went to ${path} instead of ${wanted}.`);
      return { tokens, path, kernel };
    });
    const tokens = Math.min(256, Math.max(64, threshold.tokens));
    const batch = await context.batch(tokens);
    const { nrmse, cosine } = await pair(context, wrapper, tokens);
    if (wrapper.registrations !== 1) faults.push(`CUTLASS was registered ${wrapper.registrations} times.`);
    const { causes: measuredCauses, floor } = await measureCauses(causes, batch, context.cancel);
    const limit = Math.max(fixedGate.nrmse, floorFactor * floor);
    const close = nrmse <= limit;
    if (!close) faults.push(`NRMSE ${nrmse.toFixed(4)} of ${tokens} tokens is above ${limit.toFixed(4)}.`);
    const measured = {
      tokens,
      nrmse,
      cosine,
      limit,
      clean: floor,
      fixedGate: { ...fixedGate, pass: nrmse < fixedGate.nrmse && cosine > fixedGate.cosine },
      decisions,
      registrations: wrapper.registrations,
    };
    const found = conclude(
      faults,
      `NRMSE ${nrmse.toFixed(4)} of ${tokens} tokens, limit ${limit.toFixed(4)} (clean: ${floor.toFixed(4)}).`,
      measured,
    );
    const explained = measuredCauses.map(({ id, name, nrmse: alone, explanation }) => ({
      id,
      name,
      nrmse: alone,
      explanation,
    }));
    return { ...found, causes: explained };
  } finally {
    await causes.dispose();
    await wrapper.destroy();
  }
}

/** b12x against CUTLASS on the same batch, both forced. */
async function pair(
  context: VerifyContext,
  wrapper: Wrapper,
  tokens: number,
): Promise<{ nrmse: number; cosine: number }> {
  const batch = await context.batch(tokens);
  const options = context.cancel ? { cancel: context.cancel } : {};
  const b12x = await wrapper.run(batch, { force: 'b12x', ...options });
  const cutlass = await wrapper.run(batch, { force: 'cutlass', ...options });
  return outputDistance(context.binding, b12x.result, cutlass.result);
}

/** Item 3. */
async function olderBuildSilent(context: VerifyContext): Promise<Finding> {
  const { provider, reason } = context.older;
  if (!provider) return { status: 'skip', reason, measured: {} };
  const wrapper = context.wrapper(0, provider);
  try {
    const faults: string[] = [];
    const runs: { tokens: number; path: string; finite: boolean }[] = [];
    for (const tokens of tokensAround(context.threshold.tokens)) {
      const { decision, result } = await wrapper.run(
        await context.batch(tokens),
        context.cancel ? { cancel: context.cancel } : {},
      );
      const finite = (await result.tensors.y!.stats()).every((plane) => plane.nan === 0 && Number.isFinite(plane.rms));
      runs.push({ tokens, path: decision.path, finite });
      if (decision.path !== 'b12x') faults.push(`${tokens} tokens went to ${decision.path}.`);
      if (!finite) faults.push(`The output of ${tokens} tokens is not finite.`);
    }
    return conclude(faults, `Ran on b12x without a word, ${runs.map(({ tokens }) => tokens).join(', ')} tokens.`, {
      provider: `${provider.name} ${provider.version}`,
      runs,
    });
  } finally {
    await wrapper.destroy();
  }
}

/** Item 4. */
async function olderBuildRefuses(context: VerifyContext): Promise<Finding> {
  const { provider, reason } = context.older;
  if (!provider) return { status: 'skip', reason, measured: {} };
  const tokens = context.threshold.tokens || 128;
  try {
    await context.wrapper(tokens, provider).destroy();
    return {
      status: 'fail',
      reason: `A wrapper with threshold ${tokens} was constructed.`,
      measured: { threshold: tokens },
    };
  } catch (thrown) {
    const error = AppError.from(thrown);
    const right = error.code === 'threshold-unsupported' && error.message === olderBuildMessage;
    const measured = { threshold: tokens, code: error.code, message: error.message };
    return conclude(
      right ? [] : ['Another error than the published one was raised.'],
      'Refused with the published message.',
      measured,
    );
  }
}

/** The parity table: what is decided, and how far the paths are apart, for each token count. */
async function parity(context: VerifyContext): Promise<ParityRow[]> {
  const { threshold, layer, provider } = context;
  const bothPaths = hasBothPaths(layer, provider);
  const wrapper = context.wrapper(bothPaths ? Math.max(1, threshold.tokens) : 0);
  try {
    const rows: ParityRow[] = [];
    for (const tokens of parityTokens) {
      const { path, kernel } = wrapper.decide(tokens, 'auto', bothPaths ? threshold : { ...threshold, tokens: 0 });
      const apart = bothPaths ? await pair(context, wrapper, tokens) : { nrmse: null, cosine: null };
      rows.push({ tokens, path, kernel, nrmse: apart.nrmse, cosine: apart.cosine });
    }
    return rows;
  } finally {
    await wrapper.destroy();
  }
}
