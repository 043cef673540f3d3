/** The engine process's way to the process that started it: Electron's parentPort or Node's IPC channel. */
import type { FromProcess } from './process-messages';

/** One end of a window's direct port, as Electron's MessagePortMain has it. */
export interface DirectPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (event: { data: unknown }) => void): void;
  on(event: 'close', listener: () => void): void;
  start(): void;
}

export interface ParentLink {
  post(message: FromProcess): void;
  onMessage(listener: (message: unknown, port: DirectPort | undefined) => void): void;
  /** Called when the parent is gone. A utility process is ended by Electron itself. */
  onClose(listener: () => void): void;
}

interface ParentPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (event: { data: unknown; ports: DirectPort[] }) => void): void;
}

/** @throws Error when this process was not started by a host. */
export function parentLink(): ParentLink {
  const { parentPort } = process as unknown as { parentPort?: ParentPort };
  if (parentPort !== undefined) {
    return {
      post: (message) => parentPort.postMessage(message),
      onMessage: (listener) => parentPort.on('message', ({ data, ports }) => listener(data, ports[0])),
      onClose: () => undefined,
    };
  }
  if (process.send === undefined) throw new Error('the engine process is started by moescope, not by hand');
  return {
    // The callback form: a parent that is just ending is noticed by `disconnect`.
    post: (message) => process.send?.(message, undefined, undefined, () => undefined),
    onMessage: (listener) => process.on('message', (message) => listener(message, undefined)),
    onClose: (listener) => process.on('disconnect', listener),
  };
}
