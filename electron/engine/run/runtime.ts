/** A loaded layer ready to run: one provider's layer for both paths, and the fp64 reference of the same contract beside it. */
import { AppError } from '../../contract/errors';
import type { Decision, LayerShape, LayerSummary, Path, Threshold } from '../../contract/layer';
import type { Device } from '../../contract/session';
import type {
  CancelFlag,
  CheckpointLayer,
  NativeBinding,
  PreparedLayer,
  Provider,
  ProviderLayer,
  RunResult,
} from '../native/binding';
import type { BatchInput, Router } from '../workload/generate';
import type { RunPath } from './source';

export type Force = Path | 'auto';

/** Tap names in the order of the pipeline (provider.h). */
export const tapNames = ['x_q', 'x_sf', 'fc1', 'act', 'act_q', 'act_sf', 'fc2'] as const;

/** The total of a run: the provider's own "total" stage, else the sum of its stages. Microseconds. */
export function totalMicroseconds(stages: RunResult['stages']): number {
  const total = stages.find(({ stage }) => stage === 'total');
  return total ? total.microseconds : stages.reduce((sum, { microseconds }) => sum + microseconds, 0);
}

/** "cpu 0.1.0 on AMD EPYC ..., driver ..., timed by steady_clock". */
export function describeProvenance(device: Device): string {
  const driver = device.driver === '' ? '' : `, driver ${device.driver}`;
  return `${device.provider} ${device.version} on ${device.name}${driver}, timed by ${device.timingSource}`;
}

export interface RuntimeOptions {
  binding: NativeBinding;
  provider: Provider;
  reference: Provider;
  device: Device;
  summary: LayerSummary;
  router: Router;
  checkpoint: CheckpointLayer;
  prepared: PreparedLayer;
  layer: ProviderLayer;
  threshold: Threshold;
  /** dispatch decision for a token count under a threshold; a forced path skips the gate and says so */
  decide: (tokens: number, threshold: Threshold, force: Force) => Decision;
  /** refuses a threshold that the provider cannot serve, with the published message */
  checkThreshold: (threshold: Threshold) => void;
}

export class LayerRuntime {
  readonly binding: NativeBinding;
  readonly provider: Provider;
  readonly device: Device;
  readonly router: Router;
  readonly checkpoint: CheckpointLayer;
  private readonly options: RuntimeOptions;
  private currentSummary: LayerSummary;
  private currentPrepared: PreparedLayer;
  private currentLayer: ProviderLayer;
  private currentThreshold: Threshold;
  private referenceLayer: Promise<ProviderLayer> | null = null;

  constructor(options: RuntimeOptions) {
    this.options = options;
    this.binding = options.binding;
    this.provider = options.provider;
    this.device = options.device;
    this.router = options.router;
    this.checkpoint = options.checkpoint;
    this.currentSummary = options.summary;
    this.currentPrepared = options.prepared;
    this.currentLayer = options.layer;
    this.currentThreshold = options.threshold;
  }

  get shape(): LayerShape {
    return this.router.shape;
  }
  get summary(): LayerSummary {
    return this.currentSummary;
  }
  get prepared(): PreparedLayer {
    return this.currentPrepared;
  }
  get threshold(): Threshold {
    return this.currentThreshold;
  }

  /** Whether CUTLASS can run now: its six parameters exist only where the layer was prepared with a threshold above 0. */
  get hybrid(): boolean {
    return this.currentPrepared.threshold > 0 && this.provider.capabilities().paths.includes('cutlass');
  }

  decide(tokens: number, force: Force, threshold = this.currentThreshold): Decision {
    return this.options.decide(tokens, threshold, force);
  }

  /** Throws `threshold-unsupported` where the provider has no prefill threshold, `unsupported` where hybrid cannot be. */
  checkThreshold(threshold: Threshold): void {
    this.options.checkThreshold(threshold);
  }

  /**
   * Moves the threshold. A layer prepared with threshold 0 has no CUTLASS scales (they are cloned before the rewrite
   * destroys them), so the first threshold above 0 prepares it again. Throws `threshold-unsupported` or `unsupported`.
   */
  async setThreshold(threshold: Threshold): Promise<void> {
    this.options.checkThreshold(threshold);
    if (threshold.tokens > 0 && this.currentPrepared.threshold === 0) {
      const { contract } = this.currentSummary;
      const prepared = await this.binding.prepareLayer(this.checkpoint, { contract, threshold: threshold.tokens });
      const layer = await this.provider.createLayer({ checkpoint: this.checkpoint, prepared, contract });
      const old = this.currentLayer;
      const oldReference = this.referenceLayer;
      this.currentPrepared = prepared;
      this.currentLayer = layer;
      this.referenceLayer = null;
      this.currentSummary = {
        ...this.currentSummary,
        bytes: prepared.byteSets(),
        registered: prepared.tensors().map((tensor) => tensor.info().name),
      };
      old.destroy();
      void oldReference?.then((reference) => reference.destroy()).catch(() => undefined);
    }
    this.currentThreshold = threshold;
  }

  /** Runs a batch as decided. Throws the provider's errors: `unsupported`, `device-lost`, `out-of-memory`, `cancelled`. */
  run(input: BatchInput, decision: Decision, taps: readonly string[], cancel?: CancelFlag): Promise<RunResult> {
    const known = this.provider.capabilities().taps;
    return this.currentLayer.run({
      tokens: input.tokens,
      x: input.x,
      topkIds: input.topkIds,
      topkWeights: input.topkWeights,
      path: decision.path,
      kernel: decision.kernel,
      tileM: decision.tileM,
      tileN: decision.tileN,
      taps: taps.filter((tap) => known.includes(tap)),
      deterministic: true,
      seed: input.index,
      ...(cancel && { cancel }),
    });
  }

  /** The fp64 answer of the same contract, with the scales of `as`. Throws `unsupported` where the reference has no such path. */
  async runReference(input: BatchInput, as: RunPath, taps: readonly string[], cancel?: CancelFlag): Promise<RunResult> {
    const { reference } = this.options;
    this.referenceLayer ??= reference.createLayer({
      checkpoint: this.checkpoint,
      prepared: this.currentPrepared,
      contract: this.currentSummary.contract,
    });
    const pending = this.referenceLayer;
    pending.catch(() => {
      if (this.referenceLayer === pending) this.referenceLayer = null;
    });
    const capabilities = reference.capabilities();
    if (!capabilities.paths.includes(as)) {
      throw new AppError({
        code: 'unsupported',
        message: `Provider ${reference.name} has no answer for the path ${as}.`,
        expected: as,
        found: capabilities.paths.join(', '),
      });
    }
    return (await pending).run({
      tokens: input.tokens,
      x: input.x,
      topkIds: input.topkIds,
      topkWeights: input.topkWeights,
      path: as,
      kernel: 'reference',
      tileM: 0,
      tileN: 0,
      taps: taps.filter((tap) => capabilities.taps.includes(tap)),
      deterministic: true,
      seed: 0,
      ...(cancel && { cancel }),
    });
  }

  async dispose(): Promise<void> {
    this.currentLayer.destroy();
    const reference = await this.referenceLayer?.catch(() => null);
    reference?.destroy();
  }
}
