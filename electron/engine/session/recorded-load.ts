/** Rows per expert of a recording's batches: read from their routing once, in order, as far as somebody looks. */
import { AppError } from '../../contract/errors';
import type { NativeBinding } from '../native/binding';
import type { LoadHistory } from '../native/routing-binding';
import type { LoadProgress } from '../run/source';

export interface RecordedRouting {
  topkIds: Int32Array;
  tileM: number;
}

export class RecordedLoad {
  private readonly binding: () => NativeBinding;
  private readonly shape: { experts: number; topK: number };
  private readonly read: (batch: number) => Promise<RecordedRouting>;
  private history: LoadHistory | null = null;
  private filling: Promise<unknown> = Promise.resolve();

  /** @param read gives a batch's routing, or throws `session-damaged` or `session-incomplete`: the batch then counts as not known */
  constructor(
    binding: () => NativeBinding,
    shape: { experts: number; topK: number },
    read: (batch: number) => Promise<RecordedRouting>,
  ) {
    this.binding = binding;
    this.shape = shape;
    this.read = read;
  }

  get bytes(): number {
    return this.history?.bytes ?? 0;
  }

  /** The history, holding batches 0..count-1 at least. Throws `cancelled`; what was read until then stays. */
  async upTo(count: number, progress: LoadProgress): Promise<LoadHistory> {
    this.history ??= this.binding().createLoadHistory(this.shape.experts, this.shape.topK);
    const { history } = this;
    const fill = this.filling.then(() => this.fill(history, count, progress));
    this.filling = fill.catch(() => undefined);
    await fill;
    return history;
  }

  private async fill(history: LoadHistory, count: number, { signal, report }: LoadProgress): Promise<void> {
    const from = history.size;
    while (history.size < count) {
      if (signal?.aborted) throw new AppError({ code: 'cancelled', message: 'The request was cancelled.' });
      const batch = history.size;
      try {
        const { topkIds, tileM } = await this.read(batch);
        history.append(this.binding().routingStats(topkIds, this.shape.experts, tileM).rowsPerExpert, tileM);
      } catch (thrown) {
        const { code } = AppError.from(thrown);
        if (code !== 'session-damaged' && code !== 'session-incomplete') throw thrown;
        history.append(null, 0);
      }
      report?.(history.size - from, count - from);
    }
  }
}
