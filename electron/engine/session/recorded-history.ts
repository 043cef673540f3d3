/** One element of a recorded answer back to x: the recorded layer is opened, and the batch run again with everything kept. */
import type { Side } from '../../contract/batch';
import type { SideHistory } from '../../contract/element';
import { AppError } from '../../contract/errors';
import { sideHistory } from '../analysis/history';
import type { CancelFlag, NativeTensor } from '../native/binding';
import type { HistoryPlace } from '../native/history-binding';
import type { LayerRuntime } from '../run/runtime';
import { isUnavailable, orReason, type RunPath, type Unavailable } from '../run/source';
import type { ReplaySource } from './replay-source';

/** The layer of a recording: opened when something has to be run again, and kept until the source is disposed of. */
export class LayerAgain {
  private readonly open: () => Promise<{ runtime: LayerRuntime; close: () => Promise<void> }>;
  private opened: ReturnType<LayerAgain['open']> | null = null;
  /** bytes that the open layer holds */
  bytes = 0;

  constructor(open: LayerAgain['open']) {
    this.open = open;
  }

  async runtime(): Promise<LayerRuntime> {
    if (!this.opened) {
      const opened = this.open();
      this.opened = opened;
      opened.catch(() => {
        if (this.opened === opened) this.opened = null;
      });
    }
    const { runtime } = await this.opened;
    const { fp4, b12xScales, cutlassScales, multipliers } = runtime.summary.bytes;
    this.bytes = fp4 + b12xScales + cutlassScales + multipliers;
    return runtime;
  }

  async dispose(): Promise<void> {
    const opened = await this.opened?.catch(() => null);
    this.opened = null;
    this.bytes = 0;
    await opened?.close();
  }
}

/**
 * The history that ends in the recorded value. Its element is held against the recording bit by bit: where another build gives
 * another value, that is the reason why there is none.
 * @param as whose scales the reference has; else `side`
 * @throws AppError `bad-config` when the layer is not the recorded one, what opening a checkpoint throws, `out-of-bounds`, `cancelled`
 */
export async function recordedHistory(
  source: ReplaySource,
  layer: LayerAgain,
  { batch, side, as, place }: { batch: number; side: Side; as: RunPath; place: HistoryPlace },
  cancel?: CancelFlag,
): Promise<SideHistory | Unavailable> {
  const { provider, version } = source.environment.device;
  if (side !== 'reference' && provider !== 'cpu')
    return {
      reason: `Recorded on ${provider}, which shows no partial sums; the providers cpu and reference show them.`,
    };
  const recorded = await source.answer(batch, side, as);
  if (isUnavailable(recorded)) return recorded;
  const input = await source.input(batch);
  if (isUnavailable(input)) return input;
  const runtime = await layer.runtime();
  const run = await orReason(runtime.history(input, side, as, place, cancel));
  if (isUnavailable(run)) return run;
  const found = sideHistory(side, run);
  const then = valueAt(recorded.tensors.y, place.token * source.shape.hidden + place.column);
  if (Object.is(found.y, then)) return found;
  return {
    reason: `The recording (${provider} ${version}) has ${then} here, and the same batch run now on ${runtime.device.version} gives ${found.y}: a history of the recorded value cannot be shown.`,
  };
}

/** Element of an output: BF16, or F64 of the reference. */
function valueAt(y: NativeTensor | undefined, index: number): number {
  const dtype = y?.info().dtype;
  if (y && dtype === 'F64') {
    const bytes = y.read(index * 8, 8);
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
  }
  if (y && dtype === 'BF16') {
    const bytes = y.read(index * 2, 2);
    const wide = new DataView(new ArrayBuffer(4));
    wide.setUint16(2, bytes[0]! | (bytes[1]! << 8), true);
    return wide.getFloat32(0, true);
  }
  throw new AppError({
    code: 'session-damaged',
    message: 'A recorded answer has an output that no provider writes.',
    subject: 'y',
    expected: 'BF16 or F64',
    found: dtype ?? 'none',
  });
}
