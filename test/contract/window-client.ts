/** A window as a test has it: typed requests over any Transport, events kept. */
import { AppError } from '../../electron/contract/errors';
import {
  type EventName,
  type EventPayload,
  type Params,
  type Reply,
  type RequestName,
  requests,
  type ToWindow,
} from '../../electron/contract/messages';
import type { Transport } from '../../electron/contract/transport';

export class WindowClient {
  readonly events: { name: EventName; payload: unknown }[] = [];
  private readonly transport: Transport;
  private readonly pending = new Map<number, { done: (result: unknown) => void; failed: (error: AppError) => void }>();
  private readonly waiting = new Set<() => void>();
  private lastId = 0;

  constructor(transport: Transport) {
    this.transport = transport;
    transport.onMessage((message) => this.receive(message));
  }

  /** The id of the next request, for cancelling it. */
  get nextId(): number {
    return this.lastId + 1;
  }

  async request<N extends RequestName>(name: N, params: Params<N>): Promise<Reply<N>> {
    const id = ++this.lastId;
    const result = await new Promise((done, failed) => {
      this.pending.set(id, { done, failed });
      this.transport.send({ type: 'request', id, name, params });
    });
    return requests[name].reply.parse(result) as Reply<N>;
  }

  /** The error a request ends with; fails when it does not. */
  async failure<N extends RequestName>(name: N, params: Params<N>): Promise<AppError> {
    try {
      await this.request(name, params);
    } catch (thrown) {
      return AppError.from(thrown);
    }
    throw new Error(`${name} did not fail`);
  }

  cancel(id: number): void {
    this.transport.send({ type: 'cancel', id });
  }

  all<N extends EventName>(name: N): EventPayload<N>[] {
    return this.events.flatMap((event) => (event.name === name ? [event.payload as EventPayload<N>] : []));
  }

  /** Resolves with the first event, past or coming, that `matches`. */
  async until<N extends EventName>(name: N, matches: (payload: EventPayload<N>) => boolean): Promise<EventPayload<N>> {
    for (;;) {
      const found = this.all(name).find(matches);
      if (found) return found;
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  private receive(message: ToWindow): void {
    if (message.type === 'event') {
      this.events.push({ name: message.name as EventName, payload: message.payload });
      for (const wake of this.waiting) wake();
      this.waiting.clear();
      return;
    }
    const pending = this.pending.get(message.id);
    this.pending.delete(message.id);
    if (message.type === 'reply') pending?.done(message.result);
    else pending?.failed(new AppError(message.error));
  }
}
