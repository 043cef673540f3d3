/** A loaded layer ready to run: the hybrid wrapper on one provider, and the fp64 reference of the same contract beside it. */
import type { Side } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { Decision, LayerShape, LayerSummary, Path, Threshold } from '../../contract/layer';
import type { Device, DeviceMemory } from '../../contract/session';
import type { MergeFacts } from '../hazards/facts';
import { type LoadedLayer, summarizeLayer } from '../layer/load-layer';
import { Wrapper, type WrapperOptions } from '../layer/wrapper';
import type {
  CancelFlag,
  CheckpointLayer,
  NativeBinding,
  PreparedLayer,
  Provider,
  ProviderLayer,
  RunRequest,
  RunResult,
  TaskOptions,
} from '../native/binding';
import type { HistoryPlace, ResumNoise, ResumOptions } from '../native/history-binding';
import type { BatchInput, Router } from '../workload/generate';
import type { PathTimes, RunPath } from './source';

/** Tap names in the order of the pipeline (provider.h). */
export const tapNames = ['x_q', 'x_sf', 'fc1', 'act', 'act_q', 'act_sf', 'fc2'] as const;

/** The total of a run: the provider's own "total" stage, else the sum of its stages. Microseconds. */
export function totalMicroseconds(stages: RunResult['stages']): number {
  const total = stages.find(({ stage }) => stage === 'total');
  return total ? total.microseconds : stages.reduce((sum, { microseconds }) => sum + microseconds, 0);
}

/** Stage times of one path of a batch. */
export function timesOf({ path, kernel }: Decision, { stages, workspaceBytes }: RunResult): PathTimes {
  return { path, kernel, stages, workspaceBytes };
}

/** "cpu 0.1.0 on AMD EPYC ..., driver ..., timed by steady_clock". */
export function describeProvenance(device: Device): string {
  const driver = device.driver === '' ? '' : `, driver ${device.driver}`;
  return `${device.provider} ${device.version} on ${device.name}${driver}, timed by ${device.timingSource}`;
}

export interface RuntimeOptions extends Omit<WrapperOptions, 'prepared'> {
  reference: Provider;
  device: Device;
  router: Router;
  /** id of the rule file that `rules` came from */
  rulesId: string;
  /** measures what merging gate and up did; absent for a layer without its checkpoint */
  mergeFacts?: (task: TaskOptions) => Promise<MergeFacts>;
}

export class LayerRuntime {
  readonly options: RuntimeOptions;
  private wrapper: Wrapper;
  private currentPrepared: PreparedLayer;
  private referenceLayer: Promise<ProviderLayer> | null = null;

  private constructor(options: RuntimeOptions, wrapper: Wrapper, prepared: PreparedLayer) {
    this.options = options;
    this.wrapper = wrapper;
    this.currentPrepared = prepared;
  }

  /** Prepares the layer and creates it on the provider. Throws what `Wrapper` and `ensure` throw. */
  static async create(options: RuntimeOptions, task: TaskOptions = {}): Promise<LayerRuntime> {
    const wrapper = new Wrapper(options);
    try {
      const { prepared } = await wrapper.ensure(task);
      return new LayerRuntime(options, wrapper, prepared);
    } catch (thrown) {
      await wrapper.destroy();
      throw AppError.from(thrown);
    }
  }

  get binding(): NativeBinding {
    return this.options.binding;
  }
  get provider(): Provider {
    return this.options.provider;
  }
  get device(): Device {
    return this.options.device;
  }
  get router(): Router {
    return this.options.router;
  }
  get loaded(): LoadedLayer {
    return this.options.layer;
  }
  get checkpoint(): CheckpointLayer {
    return this.options.layer.native;
  }
  get shape(): LayerShape {
    return this.router.shape;
  }
  get prepared(): PreparedLayer {
    return this.currentPrepared;
  }
  get summary(): LayerSummary {
    return summarizeLayer(this.options.layer, this.currentPrepared);
  }
  get deviceMemory(): DeviceMemory | null {
    return this.wrapper.deviceMemory;
  }
  get threshold(): Threshold {
    return this.wrapper.threshold;
  }

  /** Whether CUTLASS can run now: its six parameters exist only where the layer was prepared with a threshold above 0. */
  get hybrid(): boolean {
    return this.currentPrepared.threshold > 0 && this.provider.capabilities().paths.includes('cutlass');
  }

  decide(tokens: number, force: 'auto' | Path, threshold: Threshold = this.threshold): Decision {
    return this.wrapper.decide(tokens, force, threshold);
  }

  /** Throws `threshold-unsupported` where the provider has no prefill threshold, `unsupported` where hybrid cannot be. */
  checkThreshold(threshold: Threshold): void {
    this.wrapper.checkThreshold(threshold);
  }

  /**
   * Moves the threshold. A layer prepared with threshold 0 has no CUTLASS scales (they are cloned before the rewrite
   * destroys them), so the first threshold above 0 prepares it again. Throws as `checkThreshold`.
   */
  async setThreshold(threshold: Threshold): Promise<void> {
    if (threshold.tokens === 0 || this.currentPrepared.threshold > 0) {
      await this.wrapper.moveThreshold(threshold);
      return;
    }
    const wrapper = new Wrapper({ ...this.options, threshold });
    const { prepared } = await wrapper.ensure();
    const old = this.wrapper;
    const oldReference = this.referenceLayer;
    this.wrapper = wrapper;
    this.currentPrepared = prepared;
    this.referenceLayer = null;
    await old.destroy();
    const reference = await oldReference?.catch(() => null);
    reference?.destroy();
  }

  /** Runs a batch as decided. Throws the provider's errors: `unsupported`, `device-lost`, `out-of-memory`, `cancelled`. */
  async run(
    input: BatchInput,
    force: 'auto' | RunPath,
    taps: readonly string[],
    cancel?: CancelFlag,
  ): Promise<{ decision: Decision; result: RunResult }> {
    return this.wrapper.run(input, { force, taps, seed: input.index, ...(cancel && { cancel }) });
  }

  /** A batch again with its contributions added in an order drawn from `seed`, as the atomics of a device may. */
  async repeat(input: BatchInput, path: RunPath, seed: number, cancel?: CancelFlag): Promise<RunResult> {
    const options = { force: path, taps: tapNames, deterministic: false, seed, ...(cancel && { cancel }) };
    return (await this.wrapper.run(input, options)).result;
  }

  /** One element of y back to x. `side` reference: in fp64, with the scales of `as`. Throws `unsupported`, `out-of-bounds`. */
  async history(input: BatchInput, side: Side, as: RunPath, place: HistoryPlace, cancel?: CancelFlag) {
    if (side === 'reference') {
      const { layer, request } = await this.referenceRequest(input, as, [], cancel);
      const { kernel, tileM, tileN } = request;
      return { path: as, kernel, tileM, tileN, found: await layer.history(request, place) };
    }
    const { decision, layer, request } = await this.wrapper.requestOf(input, {
      force: as,
      seed: input.index,
      ...(cancel && { cancel }),
    });
    const { path, kernel, tileM, tileN } = decision;
    return { path, kernel, tileM, tileN, found: await layer.history(request, place) };
  }

  /** How far other orders of addition move a sample of this batch's elements. Throws `unsupported` off the cpu provider. */
  async resumNoise(input: BatchInput, path: RunPath, options: ResumOptions, cancel?: CancelFlag): Promise<ResumNoise> {
    const { layer, request } = await this.wrapper.requestOf(input, { force: path, ...(cancel && { cancel }) });
    return layer.resumNoise(request, options);
  }

  /** The fp64 answer of the same contract, with the scales of `as`. Throws `unsupported` where the reference has no such path. */
  async runReference(input: BatchInput, as: RunPath, taps: readonly string[], cancel?: CancelFlag): Promise<RunResult> {
    const { layer, request } = await this.referenceRequest(input, as, taps, cancel);
    return layer.run(request);
  }

  private async referenceRequest(input: BatchInput, as: RunPath, taps: readonly string[], cancel?: CancelFlag) {
    const { reference } = this.options;
    const capabilities = reference.capabilities();
    if (!capabilities.paths.includes(as)) {
      throw new AppError({
        code: 'unsupported',
        message: `Provider ${reference.name} has no answer for the path ${as}.`,
        expected: as,
        found: capabilities.paths.join(', '),
      });
    }
    const layer = await this.ensureReference();
    const request: RunRequest = {
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
    };
    return { layer, request };
  }

  private ensureReference(): Promise<ProviderLayer> {
    if (!this.referenceLayer) {
      const pending = this.options.reference.createLayer({
        checkpoint: this.checkpoint,
        prepared: this.currentPrepared,
        contract: this.options.contract,
      });
      this.referenceLayer = pending;
      pending.catch(() => {
        if (this.referenceLayer === pending) this.referenceLayer = null;
      });
    }
    return this.referenceLayer;
  }

  async dispose(): Promise<void> {
    await this.wrapper.destroy();
    const reference = await this.referenceLayer?.catch(() => null);
    reference?.destroy();
  }
}
