/** `window.moescope`: what tests and consoles use. Command ids instead of clicks, an idle signal instead of sleeps. */

import { useConnection } from '../stores/connection';
import { idle } from '../stores/idle';
import { allCommands, findCommand, runCommand } from './registry';

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

/** Whether the window knows where it stands: linked, or told why not; and the engine is not in the middle of a load. */
const settled = () => {
  const { link, engine } = useConnection.getState();
  return link.status !== 'connecting' && (link.status !== 'open' || (engine !== null && engine.state !== 'loading'));
};

/** Resolves at the first state of the connection for which the condition holds. */
function when(holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    if (holds()) return resolve();
    const stop = useConnection.subscribe(() => {
      if (!holds()) return;
      stop();
      resolve();
    });
  });
}

/** A console or a test may be quicker than the link, or than a load that a command needs: it waits, as a person would. */
async function runWhenReady(id: string, args: unknown): Promise<unknown> {
  await when(() => useConnection.getState().link.status !== 'connecting');
  if (findCommand(id)?.unavailable?.()) await when(settled);
  return runCommand(id, args);
}

export function publishWindowApi(): void {
  window.moescope = {
    command: runWhenReady,
    commands: () => allCommands().map(({ id, title, shortcut = '' }) => ({ id, title, shortcut })),
    idle: () => idle(() => settled() && (useConnection.getState().client?.pendingRequests() ?? 0) === 0),
  };
}
