/** Window and engine in one process: the real engine behind an in-memory transport. For tests and the command line. */
import type { ToEngine, ToWindow } from '../contract/messages';
import type { EnginePort, Transport } from '../contract/transport';

export interface MemoryPair {
  transport: Transport;
  port: EnginePort;
  /** Messages that the window side has not been given yet. While `hold` is on, none are given. */
  hold(on: boolean): void;
}

/** Two ends of one line. Messages arrive in order, each in its own turn of the loop, as they would through a real port. */
export function memoryPair(): MemoryPair {
  const toWindow: ToWindow[] = [];
  const windowListeners = new Set<(message: ToWindow) => void>();
  const closeListeners = new Set<(reason: string) => void>();
  let toEngine: (message: ToEngine) => void = () => undefined;
  let engineClosed: () => void = () => undefined;
  let held = false;
  let scheduled = false;
  let closed = false;

  const deliver = () => {
    scheduled = false;
    if (held || closed) return;
    const message = toWindow.shift();
    if (!message) return;
    for (const listener of windowListeners) listener(message);
    schedule();
  };
  const schedule = () => {
    if (scheduled || held || closed || toWindow.length === 0) return;
    scheduled = true;
    setImmediate(deliver);
  };

  const transport: Transport = {
    send(message) {
      if (closed) return;
      setImmediate(() => toEngine(message));
    },
    onMessage(listener) {
      windowListeners.add(listener);
      return () => windowListeners.delete(listener);
    },
    onClose(listener) {
      closeListeners.add(listener);
      return () => closeListeners.delete(listener);
    },
    close() {
      if (closed) return;
      closed = true;
      engineClosed();
      for (const listener of closeListeners) listener('The window closed the connection.');
    },
  };
  const port: EnginePort = {
    post(message) {
      toWindow.push(message);
      schedule();
    },
    onMessage(listener) {
      toEngine = listener;
    },
    onClose(listener) {
      engineClosed = listener;
    },
    backlog: () => toWindow.length,
  };
  return {
    transport,
    port,
    hold(on) {
      held = on;
      schedule();
    },
  };
}
