/** Checkpoints and layers through the addon: what the engine and the command line run on. */
import { AppError } from '../../contract/errors';
import type { Device } from '../../contract/session';
import { Checkpoint } from '../checkpoint/checkpoint';
import { mergeFacts } from '../hazards/merge-facts';
import { loadLayer } from '../layer/load-layer';
import { readRouter } from '../layer/router';
import { resolveThreshold } from '../layer/threshold';
import type { WrapperOptions } from '../layer/wrapper';
import type { NativeBinding, Provider, TaskOptions } from '../native/binding';
import type { LayerLoader, LoadRequest, LoadResult, OpenedCheckpoint } from './loader';
import { LayerRuntime } from './runtime';

/** Rule files of the b12x dispatch ladder. */
export interface RuleSource {
  /** undefined: the default file. Throws `bad-rules` or `bad-option`. */
  load(id: string | undefined): WrapperOptions['rules'] & { warnings: string[] };
  list(): { id: string; source: string; date: string }[];
  defaultId: string;
}

export interface NativeLoaderOptions {
  binding: NativeBinding;
  rules: RuleSource;
  env: Record<string, string | undefined>;
  /** providers shown to choose from */
  providers?: readonly string[];
}

/** A provider and the machine it runs on, as one record. */
export function deviceOf(provider: Provider): Device {
  const { name, arch, driver, available, reason } = provider.probe();
  const { timingSource, cutlassPrefillThreshold } = provider.capabilities();
  return {
    provider: provider.name,
    version: provider.version,
    name,
    arch,
    driver,
    available,
    reason,
    timingSource,
    threshold: cutlassPrefillThreshold,
  };
}

/** The device of a provider by its name; one whose library is missing or cannot be used is a device that says so. */
export function deviceNamed(binding: Pick<NativeBinding, 'openProvider'>, name: string): Device {
  try {
    return deviceOf(binding.openProvider(name));
  } catch (thrown) {
    const { message, remedy } = AppError.from(thrown);
    const reason = remedy === undefined ? message : `${message}; ${remedy}`;
    const unknown = { version: '', name, arch: '', driver: '', timingSource: '', threshold: false };
    return { provider: name, ...unknown, available: false, reason };
  }
}

/** An opened checkpoint with what loading needs beside its summary. */
class Opened implements OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  constructor(checkpoint: Checkpoint) {
    this.checkpoint = checkpoint;
  }
  get summary() {
    return this.checkpoint.summary;
  }
  close(): Promise<void> {
    return this.checkpoint.close();
  }
}

export class NativeLoader implements LayerLoader {
  private readonly options: NativeLoaderOptions;
  private devices: Device[] | null = null;

  constructor(options: NativeLoaderOptions) {
    this.options = options;
  }

  /** Probed once: a device does not come and go while the engine lives. */
  providers(): Device[] {
    this.devices ??= (this.options.providers ?? ['cpu', 'reference', 'cuda']).map((name) =>
      deviceNamed(this.options.binding, name),
    );
    return this.devices;
  }
  ruleFiles() {
    return this.options.rules.list();
  }
  defaultRules(): string {
    return this.options.rules.defaultId;
  }

  async open(path: string, signal: AbortSignal): Promise<OpenedCheckpoint> {
    return new Opened(await Checkpoint.open(path, signal));
  }

  /** Throws what `loadLayer` and `Wrapper` throw; `no-device` when the provider cannot run here. */
  async load(opened: OpenedCheckpoint, request: LoadRequest, task: TaskOptions): Promise<LoadResult> {
    if (!(opened instanceof Opened))
      throw new AppError({ code: 'internal', message: 'This checkpoint was opened by another loader.' });
    const { checkpoint } = opened;
    const { binding, env } = this.options;
    const provider = binding.openProvider(request.provider);
    const device = deviceOf(provider);
    if (!device.available) {
      throw new AppError({
        code: 'no-device',
        message: `Provider ${provider.name} cannot run here: ${device.reason}.`,
        subject: provider.name,
        remedy: 'Choose another provider.',
      });
    }
    const resolved = resolveThreshold({ env, ...request.threshold });
    const threshold = { ...resolved.threshold, origin: request.thresholdOrigin ?? resolved.threshold.origin };
    const rules = this.options.rules.load(request.rules);
    const index = request.layer ?? checkpoint.firstLayer();
    const layer = await loadLayer(checkpoint, index, binding, { merge: request.merge, ...task });
    const router = await readRouter(checkpoint, index, binding);
    const runtime = await LayerRuntime.create(
      {
        binding,
        provider,
        reference: binding.openProvider('reference'),
        device,
        layer,
        contract: request.contract,
        threshold,
        rules,
        rulesId: rules.limits.id,
        router,
        mergeFacts: (measuring) => mergeFacts(binding, checkpoint, layer, measuring),
      },
      task,
    );
    return { runtime, warnings: [...resolved.warnings, ...rules.warnings] };
  }
}
