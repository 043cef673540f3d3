/** What the window asks of its host beside the engine: dialogs, about, restart. One interface, Electron or web. */
import type { z } from 'zod';
import type { Bridge, Outcome } from '../../electron/contract/bridge';
import { AppError } from '../../electron/contract/errors';
import { type ShellRequestName, type ShellRequests, shellRequests } from '../../electron/contract/messages';

export type About = z.output<ShellRequests['shell.about']['reply']>;

export interface Shell {
  readonly host: 'electron' | 'web';
  /** Path of a folder on the machine of the engine; null when the user gave up. */
  pickFolder(title: string): Promise<string | null>;
  /** Offers `bytes` for saving. Returns the path, or null when the user gave up or the host does not tell (web: a download). */
  saveFile(name: string, bytes: Uint8Array): Promise<string | null>;
  about(): Promise<About>;
  /** Starts a new engine process after `engine-gone`. */
  restart(): Promise<void>;
  /** Menu items of the host, as command ids. Returns a function that ends the listening. */
  onCommand(listener: (id: string) => void): () => void;
}

/** How the window asks for a path where the host has no dialog; the default is the browser's own prompt. */
export type AskPath = (title: string) => Promise<string | null>;

/** Reply of the shell, parsed. @throws AppError as the shell sent it, or `internal` when the reply has another shape. */
export function parseShellReply<N extends ShellRequestName>(name: N, value: unknown) {
  const parsed = shellRequests[name].reply.safeParse(value);
  if (!parsed.success) {
    throw new AppError({
      code: 'internal',
      message: `The reply to ${name} has the wrong shape: ${parsed.error.message}`,
    });
  }
  return parsed.data as z.output<ShellRequests[N]['reply']>;
}

function unwrap<N extends ShellRequestName>(name: N, outcome: Outcome<unknown>) {
  if (!outcome.ok) throw new AppError(outcome.error);
  return parseShellReply(name, outcome.value);
}

export function electronShell(bridge: Bridge): Shell {
  return {
    host: 'electron',
    pickFolder: async (title) => unwrap('shell.pickFolder', await bridge.pickFolder({ title })).path,
    saveFile: async (name, bytes) => unwrap('shell.saveFile', await bridge.saveFile({ name, bytes })).path,
    about: async () => unwrap('shell.about', await bridge.about()),
    restart: async () => {
      unwrap('shell.restartEngine', await bridge.restartEngine());
    },
    onCommand: (listener) => bridge.onCommand(listener),
  };
}

/** @param request sends a shell request over the WebSocket and gives back its unparsed reply. */
export function webShell(request: (name: ShellRequestName) => Promise<unknown>, askPath: AskPath): Shell {
  return {
    host: 'web',
    pickFolder: askPath,
    saveFile: async (name, bytes) => {
      download(name, bytes);
      return null;
    },
    about: async () => parseShellReply('shell.about', await request('shell.about')),
    restart: async () => {
      await request('shell.restartEngine');
    },
    onCommand: () => () => undefined,
  };
}

function download(name: string, bytes: Uint8Array): void {
  const url = URL.createObjectURL(new Blob([new Uint8Array(bytes)]));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken its copy of the blob when the click has been dispatched and a task has run.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
