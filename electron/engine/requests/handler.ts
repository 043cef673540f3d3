import { AppError } from '../../contract/errors';
import type { ParsedParams, Reply, RequestName } from '../../contract/messages';
import type { Inspector } from '../inspector';
import type { CancelFlag, TaskOptions } from '../native/binding';

/** One request under way: how it is cancelled and how it tells of its progress. */
export interface Call {
  readonly id: number;
  /** for native work */
  readonly cancel: CancelFlag;
  /** for work in TypeScript; aborted by the same cancel message */
  readonly signal: AbortSignal;
  progress(label: string, done: number, total: number): void;
}

export interface HandlerContext {
  inspector: Inspector;
  /** name and version of this program */
  tool: string;
  /** rows that were left out of `batches` events since the start */
  dropped(): number;
}

export type Handler<N extends RequestName> = (
  context: HandlerContext,
  params: ParsedParams<N>,
  call: Call,
) => Reply<N> | Promise<Reply<N>>;
export type Handlers<N extends RequestName> = { [K in N]: Handler<K> };

/** Options for native work of a call. */
export function taskOf(call: Call, label: string): TaskOptions {
  return { cancel: call.cancel, onProgress: (done, total) => call.progress(label, done, total) };
}

export function throwIfCancelled(call: Call): void {
  if (call.signal.aborted) throw new AppError({ code: 'cancelled', message: 'The request was cancelled.' });
}
