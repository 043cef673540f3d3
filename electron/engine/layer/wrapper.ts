/**
 * The layer as vLLM's experts object has it (`_ensure_wrapper` of #43687): built lazily, gated on the provider's capability
 * at construction, CUTLASS registered exactly once, each batch dispatched by the threshold.
 */
import { AppError } from '../../contract/errors';
import type { Contract, Decision, Path, Threshold } from '../../contract/layer';
import type { DeviceMemory } from '../../contract/session';
import type {
  CancelFlag,
  DecideRequest,
  NativeBinding,
  PreparedLayer,
  Provider,
  ProviderLayer,
  RunRequest,
  RunResult,
  TaskOptions,
} from '../native/binding';
import { hybridPossible, type LoadedLayer } from './load-layer';
import { checkThresholdSupport } from './threshold';

/** One batch: x BF16 bits [T, H], topkIds I32 [T, k], topkWeights F32 [T, k]. */
export interface BatchTensors {
  tokens: number;
  x: Uint16Array;
  topkIds: Int32Array;
  topkWeights: Float32Array;
}

export interface WrapperOptions {
  binding: NativeBinding;
  provider: Provider;
  layer: LoadedLayer;
  contract: Contract;
  threshold: Threshold;
  /** limits of a rule file and where each came from (electron/engine/dispatch/rules.ts) */
  rules: Pick<DecideRequest, 'limits' | 'origins'>;
  /** a layer that is already prepared under `contract` (rearranged by EPLB, say); made when absent */
  prepared?: PreparedLayer;
}

export interface RunOptions {
  /** default `auto`: the threshold decides */
  force?: 'auto' | 'b12x' | 'cutlass';
  /** x_q x_sf fc1 act act_q act_sf fc2; those that the provider lacks are left out */
  taps?: readonly string[];
  /** default true: reductions in a fixed order */
  deterministic?: boolean;
  seed?: number;
  cancel?: CancelFlag;
}

interface Built {
  prepared: PreparedLayer;
  layer: ProviderLayer;
}

export class Wrapper {
  readonly options: WrapperOptions;
  private readonly hybrid: { possible: boolean; reason: string };
  private current: Threshold;
  private built: Promise<Built> | null = null;
  private made: ProviderLayer | null = null;
  private registered = 0;
  private destroyed = false;

  /**
   * Nothing is prepared yet; see `ensure`.
   * @throws AppError `threshold-unsupported` with the published message (threshold > 0, provider without the capability);
   *   `unsupported` (threshold > 0 on a weight-only checkpoint).
   */
  constructor(options: WrapperOptions) {
    this.options = options;
    this.hybrid = hybridPossible(options.layer);
    this.checkThreshold(options.threshold);
    this.current = options.threshold;
  }

  get threshold(): Threshold {
    return this.current;
  }

  /** What the provider's layer holds of a device's memory; null without a layer, or without such memory. */
  get deviceMemory(): DeviceMemory | null {
    return this.made?.memory() ?? null;
  }

  /** How often CUTLASS was registered: 0, or 1 after the first `ensure` with a threshold above 0. */
  get registrations(): number {
    return this.registered;
  }

  /** @throws as the constructor. */
  checkThreshold(threshold: Threshold): void {
    const { provider } = this.options;
    checkThresholdSupport(threshold, provider, provider.capabilities());
    if (threshold.tokens > 0 && !this.hybrid.possible) throw this.noCutlass(`threshold ${threshold.tokens}`);
  }

  /**
   * Moves the gate of a layer that has its CUTLASS sets. The sets are cloned before the rewrite destroys their sources,
   * so a layer that was prepared without them needs a new wrapper.
   * @throws AppError as the constructor; `wrong-state` when the layer was prepared with threshold 0 and the new one is above.
   */
  async moveThreshold(threshold: Threshold): Promise<void> {
    this.checkThreshold(threshold);
    const built = await this.built;
    if (threshold.tokens > 0 && built && built.prepared.threshold === 0) {
      throw new AppError({
        code: 'wrong-state',
        message: 'The layer was prepared with threshold 0 and has no CUTLASS scales; prepare it again.',
        expected: 'a layer prepared with a threshold above 0',
        found: 'threshold 0',
      });
    }
    this.current = threshold;
  }

  /** Prepares the layer, creates it on the provider and registers CUTLASS, all once; later calls return the same. */
  ensure(task: TaskOptions = {}): Promise<Built> {
    if (this.destroyed)
      return Promise.reject(new AppError({ code: 'wrong-state', message: 'The layer was unloaded.' }));
    if (!this.built) {
      const pending = this.build(task);
      this.built = pending;
      pending.catch(() => {
        if (this.built === pending) this.built = null;
      });
    }
    return this.built;
  }

  private async build(task: TaskOptions): Promise<Built> {
    const { binding, provider, layer, contract } = this.options;
    const prepared =
      this.options.prepared ??
      (await binding.prepareLayer(layer.native, { contract, threshold: this.current.tokens }, task));
    const made = await provider.createLayer({ checkpoint: layer.native, prepared, contract });
    if (prepared.threshold > 0) this.registerCutlass();
    this.made = made;
    return { prepared, layer: made };
  }

  /**
   * The counterpart of `register_cutlass_prefill_weights`: the six tensors went to the provider with the layer. A second
   * registration would hand over scales that were already rewritten.
   * @throws AppError `wrong-state` on the second call.
   */
  registerCutlass(): void {
    if (this.registered > 0) {
      throw new AppError({
        code: 'wrong-state',
        message: 'CUTLASS prefill weights are registered already; they may be registered once.',
        expected: '1 registration',
        found: `${this.registered + 1}`,
      });
    }
    this.registered++;
  }

  /** The decision chain for a batch of so many tokens. A forced path skips the gate and says so. */
  decide(tokens: number, force: 'auto' | Path = 'auto', threshold: Threshold = this.current): Decision {
    const { binding, layer, rules } = this.options;
    const { hidden, intermediate, experts, topK, gated } = layer.plan.shape;
    return binding.decide({
      tokens,
      topK,
      experts,
      hidden,
      intermediate,
      gated,
      threshold: threshold.tokens,
      thresholdOrigin: threshold.origin,
      force,
      limits: rules.limits,
      origins: rules.origins,
    });
  }

  /**
   * Dispatches and runs one batch.
   * @throws AppError `bad-routing`, `unsupported` (CUTLASS forced on a layer without its sets), `cancelled`, and the
   *   provider's `device-lost`, `out-of-memory`.
   */
  async run(batch: BatchTensors, options: RunOptions = {}): Promise<{ decision: Decision; result: RunResult }> {
    const { decision, layer, request } = await this.requestOf(batch, options);
    return { decision, result: await layer.run(request) };
  }

  /** The provider's layer and what a run of this batch would be asked: also for looking into its arithmetic. Throws as `run`. */
  async requestOf(
    batch: BatchTensors,
    options: RunOptions = {},
  ): Promise<{ decision: Decision; layer: ProviderLayer; request: RunRequest }> {
    const decision = this.decide(batch.tokens, options.force ?? 'auto');
    const { prepared, layer } = await this.ensure();
    if (decision.path === 'cutlass' && prepared.threshold === 0)
      throw this.noCutlass('a layer prepared with threshold 0');
    const known = this.options.provider.capabilities().taps;
    const request: RunRequest = {
      tokens: batch.tokens,
      x: batch.x,
      topkIds: batch.topkIds,
      topkWeights: batch.topkWeights,
      path: decision.path,
      kernel: decision.kernel,
      tileM: decision.tileM,
      tileN: decision.tileN,
      taps: (options.taps ?? []).filter((tap) => known.includes(tap)),
      deterministic: options.deterministic ?? true,
      seed: options.seed ?? 0,
      ...(options.cancel && { cancel: options.cancel }),
    };
    return { decision, layer, request };
  }

  private noCutlass(found: string): AppError {
    return new AppError({
      code: 'unsupported',
      message: this.hybrid.possible
        ? 'The CUTLASS path has no scales: they are made only with a threshold above 0.'
        : `The CUTLASS path cannot run. ${this.hybrid.reason}`,
      subject: this.options.layer.plan.prefix,
      found,
      remedy: this.hybrid.possible
        ? 'Give a threshold above 0.'
        : 'Use threshold 0 (pure b12x), or a checkpoint with input scales.',
    });
  }

  /** Frees the provider's layer. The wrapper cannot be used afterwards. */
  async destroy(): Promise<void> {
    this.destroyed = true;
    const built = await this.built?.catch(() => null);
    this.built = null;
    this.made = null;
    built?.layer.destroy();
  }
}
