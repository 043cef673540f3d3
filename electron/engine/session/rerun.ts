/** Recorded inputs run again: every recorded answer must come out with the same bits. */

import { AppError } from '../../contract/errors';
import type { Threshold } from '../../contract/layer';
import { Checkpoint } from '../checkpoint/checkpoint';
import { type LoadedLayer, loadLayer } from '../layer/load-layer';
import type { WrapperOptions } from '../layer/wrapper';
import type { NativeBinding, NativeTensor, TaskOptions } from '../native/binding';
import { deviceOf } from '../run/native-loader';
import { identicalTensors } from '../run/rerun-path';
import { LayerRuntime } from '../run/runtime';
import { isUnavailable } from '../run/source';
import { layerHash } from './layer-hash';
import { recordedLayer } from './recorded-layer';
import type { ReplaySource } from './replay-source';

export interface FirstDifference {
  batch: number;
  path: string;
  tensor: string;
  /** flat element index, and its row and column */
  element: number;
  row: number;
  column: number;
  recorded: number;
  now: number;
}

export interface RerunReport {
  batches: number;
  answers: number;
  identical: number;
  /** answers that could not be compared, one sentence each */
  unavailable: string[];
  first: FirstDifference | null;
  /** where the layer came from */
  layer: string;
  provenance: { recorded: string; now: string };
  warnings: string[];
}

export interface RerunOptions {
  binding: NativeBinding;
  /** rules of the recording's rule file */
  rules: WrapperOptions['rules'];
  /** instead of the recorded path */
  checkpoint?: string | undefined;
  /** instead of the recorded provider */
  provider?: string | undefined;
  signal: AbortSignal;
  task: TaskOptions;
  onBatch?: (done: number, total: number) => void;
}

/**
 * The layer of a recording, ready to run: from the recorded weights, else from the checkpoint, whose prepared parameters
 * must have the recorded hash. Throws `bad-config` when it is another layer, and what opening a checkpoint throws.
 */
export async function openRecordedLayer(
  source: ReplaySource,
  options: Omit<RerunOptions, 'onBatch'>,
): Promise<{ runtime: LayerRuntime; from: string; close: () => Promise<void> }> {
  const { environment } = source;
  const { binding } = options;
  const recorded = options.checkpoint === undefined ? await recordedLayer(source, binding) : null;
  let layer: LoadedLayer;
  let checkpoint: Checkpoint | null = null;
  if (recorded) layer = recorded;
  else {
    checkpoint = await openRecorded(options.checkpoint ?? environment.checkpoint.path, options);
    layer = await loadLayer(checkpoint, environment.layer.index, binding, {
      merge: environment.layer.merge,
      ...options.task,
    });
  }
  const provider = binding.openProvider(options.provider ?? environment.device.provider);
  const registered = environment.layer.registered.some((name) => name.includes('_cutlass_'));
  // The sets must be those of the recording: a layer that was prepared with a threshold has its CUTLASS clones.
  const threshold: Threshold = registered
    ? { tokens: Math.max(1, environment.threshold.tokens), origin: { kind: 'session', where: source.path } }
    : environment.threshold;
  const runtime = await LayerRuntime.create({
    binding,
    provider,
    reference: binding.openProvider('reference'),
    device: deviceOf(provider),
    layer,
    contract: environment.contract,
    threshold,
    rules: options.rules,
    rulesId: environment.rules,
    router: { shape: environment.layer.shape, routing: environment.checkpoint.routing, correctionBias: null },
  });
  const close = async () => {
    await runtime.dispose();
    await checkpoint?.close();
  };
  const hash = await layerHash(runtime.prepared);
  if (hash !== environment.layerHash) {
    await close();
    throw new AppError({
      code: 'bad-config',
      message: 'The layer is not the one that was recorded: its prepared parameters differ.',
      subject: recorded ? source.path : (options.checkpoint ?? environment.checkpoint.path),
      expected: `SHA-256 ${environment.layerHash}`,
      found: `SHA-256 ${hash}`,
      remedy: 'Give the checkpoint that was recorded with --checkpoint.',
    });
  }
  return {
    runtime,
    from: recorded ? 'weights in the recording' : (options.checkpoint ?? environment.checkpoint.path),
    close,
  };
}

/** The checkpoint of a recording may have gone since; `--checkpoint` names it elsewhere. */
async function openRecorded(path: string, { checkpoint, signal }: RerunOptions): Promise<Checkpoint> {
  try {
    return await Checkpoint.open(path, signal);
  } catch (thrown) {
    const error = AppError.from(thrown);
    if (error.code !== 'file-not-found' || checkpoint !== undefined) throw error;
    const remedy = 'Say with --checkpoint where the recorded checkpoint lies now; recording with --weights needs none.';
    throw new AppError({ ...error.toData(), remedy });
  }
}

/** Runs every recorded batch on the paths it was recorded with and compares outputs and taps byte by byte. */
export async function rerunSession(source: ReplaySource, options: RerunOptions): Promise<RerunReport> {
  const { runtime, from, close } = await openRecordedLayer(source, options);
  const report: RerunReport = {
    batches: source.table.length,
    answers: 0,
    identical: 0,
    unavailable: [],
    first: null,
    layer: from,
    provenance: {
      recorded: source.environment.provenance,
      now: `${runtime.device.provider} ${runtime.device.version} on ${runtime.device.name}`,
    },
    warnings: [],
  };
  const { device } = source.environment;
  if (device.provider !== runtime.device.provider || device.version !== runtime.device.version) {
    report.warnings.push(
      `Recorded with ${device.provider} ${device.version}, run again with ${runtime.device.provider} ${runtime.device.version}: equal bits are not promised.`,
    );
  }
  try {
    for (let batch = 0; batch < source.table.length; batch++) {
      if (options.signal.aborted) throw new AppError({ code: 'cancelled', message: 'The re-run was cancelled.' });
      await rerunBatch(source, runtime, batch, report, options);
      options.onBatch?.(batch + 1, source.table.length);
    }
    return report;
  } finally {
    await close();
  }
}

async function rerunBatch(
  source: ReplaySource,
  runtime: LayerRuntime,
  batch: number,
  report: RerunReport,
  options: RerunOptions,
): Promise<void> {
  const input = await source.input(batch);
  if (isUnavailable(input)) {
    report.unavailable.push(`batch ${batch}: ${input.reason}`);
    return;
  }
  for (const { side, as } of (await source.result(batch)).answers) {
    const recorded = await source.answer(batch, side, as);
    if (isUnavailable(recorded)) {
      report.unavailable.push(`batch ${batch}, ${side}: ${recorded.reason}`);
      continue;
    }
    const taps = Object.keys(recorded.tensors).filter((name) => name !== 'y');
    const tensors =
      side === 'reference'
        ? (await runtime.runReference(input, as, taps, options.task.cancel)).tensors
        : (await runtime.run(input, as, taps, options.task.cancel)).result.tensors;
    report.answers++;
    const different = Object.entries(recorded.tensors).find(
      ([name, tensor]) => !(tensors[name] && identicalTensors(tensor, tensors[name])),
    );
    if (!different) {
      report.identical++;
      continue;
    }
    const [name, tensor] = different;
    report.first ??= {
      batch,
      path: side === 'reference' ? `reference as ${as}` : side,
      tensor: name,
      ...firstElement(tensor, tensors[name]),
    };
  }
}

/** The first element whose bytes differ: index, row, column and both values. */
function firstElement(
  recorded: NativeTensor,
  now: NativeTensor | undefined,
): Pick<FirstDifference, 'element' | 'row' | 'column' | 'recorded' | 'now'> {
  const { shape, bytes, layout } = recorded.info();
  const columns = (shape[shape.length - 1] ?? 1) * (layout === 'fp4' ? 2 : 1);
  const count = shape.reduce((product, size) => product * size, 1) * (layout === 'fp4' ? 2 : 1);
  if (now?.info().bytes !== bytes) return { element: 0, row: 0, column: 0, recorded: Number.NaN, now: Number.NaN };
  const pieceBytes = 4 * 1024 * 1024;
  for (let offset = 0; offset < bytes; offset += pieceBytes) {
    const length = Math.min(pieceBytes, bytes - offset);
    const a = recorded.read(offset, length);
    const b = now.read(offset, length);
    const at = a.findIndex((byte, index) => byte !== b[index]);
    if (at < 0) continue;
    let element = Math.floor(((offset + at) * count) / bytes);
    // Two FP4 codes share a byte; the low nibble is the even one.
    if (layout === 'fp4' && ((a[at] as number) & 15) === ((b[at] as number) & 15)) element++;
    const row = Math.floor(element / columns);
    const column = element % columns;
    return { element, row, column, recorded: recorded.pick(0, row, column).value, now: now.pick(0, row, column).value };
  }
  return { element: 0, row: 0, column: 0, recorded: Number.NaN, now: Number.NaN };
}
