/** What the window needs of its link to the engine; `renderer/client` gives it over any Transport. */
import type { EventName, EventPayload, Params, Reply, RequestName } from '../../electron/contract/messages';

export interface RequestOptions {
  /** Aborting asks the engine to end the request, which then fails with code `cancelled`. */
  signal?: AbortSignal;
  /** Called with the id under which the engine reports progress. */
  onId?: (id: number) => void;
}

export interface EngineClient {
  /** Rejects with AppError. */
  request<N extends RequestName>(name: N, params: Params<N>, options?: RequestOptions): Promise<Reply<N>>;
  /** Returns a function that ends the listening. */
  on<N extends EventName>(name: N, listener: (payload: EventPayload<N>) => void): () => void;
  /** Called once when the engine cannot be reached any more, with one sentence. */
  onClose(listener: (reason: string) => void): () => void;
}

/** What the shell round the window offers; each is absent where the host has no such thing. */
export interface Shell {
  host: 'electron' | 'web' | 'memory';
  /** Native folder dialog; null = cancelled. */
  pickFolder?: (title: string) => Promise<string | null>;
  /** Starts the engine again after it went and links to it. */
  restart?: () => Promise<void>;
}
