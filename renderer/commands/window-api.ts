/** `window.moescope`: what tests and consoles use. Command ids instead of clicks, an idle signal instead of sleeps. */

import { useConnection } from '../stores/connection';
import { idle } from '../stores/idle';
import { allCommands, runCommand } from './registry';

export interface WindowApi {
  /** Runs a command and waits for it; rejects with AppError. */
  command: (id: string, args?: unknown) => Promise<unknown>;
  commands: () => { id: string; title: string; shortcut: string }[];
  /** Resolves when nothing is under way and the page was still for 100 ms; pause a running engine first. */
  idle: () => Promise<void>;
}

declare global {
  interface Window {
    moescope: WindowApi;
  }
}

/** Whether the window knows where it stands: linked, or told why not. */
const settled = () => {
  const { link, client } = useConnection.getState();
  return link.status !== 'connecting' && (client?.pendingRequests() ?? 0) === 0;
};

export function publishWindowApi(): void {
  window.moescope = {
    command: runCommand,
    commands: () => allCommands().map(({ id, title, shortcut = '' }) => ({ id, title, shortcut })),
    idle: () => idle(settled),
  };
}
