/** The window's side of the contract: typed requests with cancel and progress, events, and what became of the connection. */
import { AppError, type AppErrorData } from '../../electron/contract/errors';
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
} from '../../electron/contract/messages';
import type { Connection } from './connect';
import { Listeners } from './listeners';
import type { Shell } from './shell';

export type ConnectionState =
  | { status: 'connecting' }
  | { status: 'open' }
  /** The engine's process ended; `shell.restart()` starts a new one. */
  | { status: 'engine-gone'; error: AppErrorData }
  /** The host cannot be reached; tried again in `retryMs`, never again when it is null. */
  | { status: 'closed'; error: AppErrorData; retryMs: number | null };

export interface RequestOptions {
  /** Aborting asks the engine to end the request, which then fails with code `cancelled`. */
  signal?: AbortSignal;
  /** Called with the id under which the engine reports progress. */
  onId?: (id: number) => void;
  onProgress?: (progress: { label: string; done: number; total: number }) => void;
}

interface Pending {
  name: RequestName;
  done: (result: unknown) => void;
  failed: (error: AppError) => void;
  onProgress: RequestOptions['onProgress'];
}

const retryDelaysMs = [250, 500, 1000, 2000, 5000];

const problem = (what: string, why: { message: string }) =>
  new AppError({ code: 'internal', message: `${what} has the wrong shape: ${why.message}` });

/** One per window. Connects by itself, again and again; `close` ends that. */
export class EngineClient {
  private connection: Connection | undefined;
  private current: ConnectionState = { status: 'connecting' };
  private readonly pending = new Map<number, Pending>();
  private readonly connectionListeners = new Listeners<ConnectionState>();
  private readonly eventListeners = new Map<EventName, Listeners<never>>();
  private lastId = 0;
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private ended = false;

  constructor(private readonly connect: () => Promise<Connection>) {
    void this.open();
  }

  get state(): ConnectionState {
    return this.current;
  }

  /** The host's dialogs and so on. @throws AppError `engine-gone` while there is no connection. */
  get shell(): Shell {
    if (this.connection === undefined) throw this.unavailable();
    return this.connection.shell;
  }

  /** Requests without an answer yet: the window is idle when there are none. */
  pendingRequests(): number {
    return this.pending.size;
  }

  /** Called at every change of `state`. Returns a function that ends the listening. */
  onConnection(listener: (state: ConnectionState) => void): () => void {
    return this.connectionListeners.add(listener);
  }

  /** Called with one sentence each time the engine or the connection is lost. Returns a function that ends the listening. */
  onClose(listener: (reason: string) => void): () => void {
    return this.onConnection((state) => {
      if (state.status === 'engine-gone' || state.status === 'closed') listener(state.error.message);
    });
  }

  /** Parsed events of one name. Returns a function that ends the listening. */
  on<N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void): () => void {
    const listeners = this.eventListeners.get(name) ?? new Listeners<never>();
    this.eventListeners.set(name, listeners);
    return listeners.add(listener as (payload: never) => void);
  }

  /**
   * @throws AppError: `usage` for wrong parameters (nothing is sent), `cancelled`, `engine-gone` when the engine or the
   *   connection ends first, or whatever the engine answers.
   */
  request<N extends RequestName>(
    name: N,
    params: Params<N>,
    { signal, onId, onProgress }: RequestOptions = {},
  ): Promise<Reply<N>> {
    const checked = requests[name].params.safeParse(params);
    if (!checked.success) {
      return Promise.reject(
        new AppError({ code: 'usage', message: `Parameters of ${name}: ${checked.error.message}` }),
      );
    }
    if (signal?.aborted) return Promise.reject(new AppError({ code: 'cancelled', message: `${name} was cancelled.` }));
    const { connection } = this;
    if (connection === undefined || this.current.status === 'engine-gone') return Promise.reject(this.unavailable());

    const id = ++this.lastId;
    onId?.(id);
    const cancel = () => connection.transport.send({ type: 'cancel', id });
    return new Promise<Reply<N>>((resolve, failed) => {
      const finish = () => {
        this.pending.delete(id);
        signal?.removeEventListener('abort', cancel);
      };
      this.pending.set(id, {
        name,
        onProgress,
        failed: (error) => {
          finish();
          failed(error);
        },
        done: (result) => {
          finish();
          const reply = requests[name].reply.safeParse(result);
          if (reply.success) resolve(reply.data as Reply<N>);
          else failed(problem(`The reply to ${name}`, reply.error));
        },
      });
      signal?.addEventListener('abort', cancel);
      connection.transport.send({ type: 'request', id, name, params });
    });
  }

  close(): void {
    this.ended = true;
    clearTimeout(this.retry);
    this.connection?.transport.close();
    this.lose({ code: 'cancelled', message: 'The window closed its connection.' }, null);
  }

  private async open(): Promise<void> {
    this.become({ status: 'connecting' });
    try {
      const connection = await this.connect();
      if (this.ended) {
        connection.transport.close();
        return;
      }
      this.connection = connection;
      connection.transport.onMessage((message) => this.receive(message));
      connection.transport.onClose((reason) => this.lose({ code: 'engine-gone', message: reason }));
      const hello = await this.request('hello', { contract: CONTRACT_VERSION });
      this.attempt = 0;
      this.become({ status: 'open' });
      this.emit('state', hello.state);
    } catch (thrown) {
      const error = AppError.from(thrown).toData();
      if (this.current.status === 'engine-gone' || this.current.status === 'closed') return;
      this.connection?.transport.close();
      // What a second try cannot mend is not tried again.
      this.lose(error, error.code === 'engine-gone' ? undefined : null);
    }
  }

  private receive(message: ToWindow): void {
    if (message.type === 'event') {
      this.receiveEvent(message.name, message.payload);
      return;
    }
    const pending = this.pending.get(message.id);
    // A late answer to a request that has already been given up, with its connection, is nobody's.
    if (pending === undefined) return;
    if (message.type === 'reply') pending.done(message.result);
    else pending.failed(new AppError(message.error));
  }

  private receiveEvent(name: string, payload: unknown): void {
    const known = name in events ? (name as EventName) : undefined;
    const parsed = known === undefined ? undefined : events[known].safeParse(payload);
    if (known === undefined || parsed === undefined) {
      this.emit('failure', problem(`Event ${name}`, { message: 'unknown name' }).toData());
      return;
    }
    if (!parsed.success) {
      this.emit('failure', problem(`Event ${name}`, parsed.error).toData());
      return;
    }
    if (known === 'progress') {
      const progress = parsed.data as EventPayload<'progress'>;
      this.pending.get(progress.request)?.onProgress?.(progress);
    }
    const failure = known === 'failure' ? (parsed.data as EventPayload<'failure'>) : undefined;
    if (failure?.code === 'engine-gone') this.loseEngine(failure);
    else if (known === 'state' && this.current.status === 'engine-gone') this.become({ status: 'open' });
    this.emit(known, parsed.data as never);
  }

  private emit<N extends EventName>(name: N, payload: EventPayload<N>): void {
    this.eventListeners.get(name)?.emit(payload as never);
  }

  private loseEngine(error: AppErrorData): void {
    this.become({ status: 'engine-gone', error });
    for (const { failed } of [...this.pending.values()]) failed(new AppError(error));
  }

  private lose(error: AppErrorData, retryMs?: number | null): void {
    this.connection = undefined;
    const delay = retryMs === undefined ? retryDelaysMs[Math.min(this.attempt, retryDelaysMs.length - 1)]! : retryMs;
    this.become({ status: 'closed', error, retryMs: delay });
    for (const { failed } of [...this.pending.values()]) failed(new AppError(error));
    if (delay === null || this.ended) return;
    this.attempt++;
    this.retry = setTimeout(() => void this.open(), delay);
  }

  private become(state: ConnectionState): void {
    this.current = state;
    this.connectionListeners.emit(state);
  }

  private unavailable(): AppError {
    const { current } = this;
    if (current.status === 'engine-gone' || current.status === 'closed') return new AppError(current.error);
    return new AppError({ code: 'engine-gone', message: 'The window has no connection to an engine yet.' });
  }
}
