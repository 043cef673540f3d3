/** A host's own requests to the engine (to open what was named on the command line), typed and parsed like a window's. */
import { AppError } from '../contract/errors';
import {
  CONTRACT_VERSION,
  type EventName,
  type EventPayload,
  events,
  type Params,
  type Reply,
  type RequestName,
  requests,
  type ToWindow,
} from '../contract/messages';
import type { WindowLink } from './supervisor';

interface Pending {
  done: (result: unknown) => void;
  failed: (error: AppError) => void;
}

export class HostClient {
  private readonly link: WindowLink;
  private readonly pending = new Map<number, Pending>();
  private readonly listeners: { name: EventName; listener: (payload: never) => void }[] = [];
  private lastId = 0;

  /** @param connect usually `supervisor.connect`. */
  constructor(connect: (deliver: (message: ToWindow) => void) => WindowLink) {
    this.link = connect((message) => this.receive(message));
  }

  /** @throws AppError as the engine answers, or `engine-gone`. */
  async request<N extends RequestName>(name: N, params: Params<N>): Promise<Reply<N>> {
    const id = ++this.lastId;
    const result = await new Promise<unknown>((done, failed) => {
      this.pending.set(id, { done, failed });
      this.link.send({ type: 'request', id, name, params });
    });
    return requests[name].reply.parse(result) as Reply<N>;
  }

  hello(): Promise<Reply<'hello'>> {
    return this.request('hello', { contract: CONTRACT_VERSION });
  }

  on<N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void): void {
    this.listeners.push({ name, listener: listener as (payload: never) => void });
  }

  close(): void {
    this.link.close();
    for (const { failed } of this.pending.values()) failed(new AppError({ code: 'cancelled', message: 'Closed.' }));
    this.pending.clear();
  }

  private receive(message: ToWindow): void {
    // Not within the call that connected: the link is not there yet when the engine is gone already.
    queueMicrotask(() => this.link.send({ type: 'taken', count: 1 }));
    if (message.type === 'event') {
      for (const { name, listener } of this.listeners) {
        if (name === message.name) listener(events[name].parse(message.payload) as never);
      }
      return;
    }
    const pending = this.pending.get(message.id);
    this.pending.delete(message.id);
    if (message.type === 'reply') pending?.done(message.result);
    else pending?.failed(new AppError(message.error));
  }
}
