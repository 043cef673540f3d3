/** One interface for every way a window reaches an engine: Electron port, WebSocket, memory. */
import { z } from 'zod';
import type { ToEngine, ToWindow } from './messages';

export interface Transport {
  send(message: ToEngine): void;
  /** Returns a function that ends the listening. */
  onMessage(listener: (message: ToWindow) => void): () => void;
  /** Called once when the engine cannot be reached any more, with one sentence. */
  onClose(listener: (reason: string) => void): () => void;
  close(): void;
}

/** The engine's end of the same. */
export interface EnginePort {
  post(message: ToWindow): void;
  onMessage(listener: (message: ToEngine) => void): void;
  onClose(listener: () => void): void;
  /** Messages not yet taken by the other side; the engine holds events back while it is high. */
  backlog(): number;
}

/**
 * Flow control, below the envelopes: a window's transport says how many messages it has handed on since it last said so.
 * The engine's end subtracts them from what it posted, which is its backlog. Neither the engine nor a panel sees these.
 */
export const TakenSchema = z.object({ type: z.literal('taken'), count: z.number().int().min(1) });
export type Taken = z.infer<typeof TakenSchema>;
