/**
 * What the preload puts into the window of the Electron host, and the channels behind it. Free of zod, so that the
 * sandboxed preload stays small: it passes on, main and window parse.
 */
import type { AppErrorData } from './errors';

/** Where the preload puts the bridge: `window.moescopeHost`. (`window.moescope` belongs to the window's own commands.) */
export const bridgeName = 'moescopeHost';

/** The web host speaks this WebSocket subprotocol; the token travels as a second one, `token.<token>`. */
export const webProtocol = 'moescope.1';
export const webTokenPrefix = 'token.';
/** WebSocket close code for a missing or wrong token. */
export const unauthorizedClose = 4401;

/** Channels that are no request of `shellRequests`. */
export const channels = {
  /** window -> main: a port to the engine, please; answered by `port` with the same number */
  openPort: 'moescope.openPort',
  /** main -> preload, carries the port */
  port: 'moescope.port',
  /** main -> window: what became of the engine process */
  engine: 'moescope.engine',
  /** main -> window: a menu item, as the id of a window command */
  command: 'moescope.command',
} as const;

/** Result of a request to the shell: errors are data here too, because a rejected `invoke` keeps only its text. */
export type Outcome<T> = { ok: true; value: T } | { ok: false; error: AppErrorData };

export type EngineNotice = { state: 'gone'; error: AppErrorData } | { state: 'back' };

/** The message by which the preload hands the port over to the page (window.postMessage, same origin). */
export interface PortMessage {
  channel: typeof channels.port;
  ticket: number;
}

export interface Bridge {
  openPort(ticket: number): void;
  pickFolder(params: { title: string }): Promise<Outcome<unknown>>;
  saveFile(params: { name: string; bytes: Uint8Array }): Promise<Outcome<unknown>>;
  restartEngine(): Promise<Outcome<unknown>>;
  about(): Promise<Outcome<unknown>>;
  /** Returns a function that ends the listening; so does the next. */
  onEngine(listener: (notice: EngineNotice) => void): () => void;
  onCommand(listener: (id: string) => void): () => void;
}
