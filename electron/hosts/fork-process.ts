/** The engine's process as a child of plain Node (`moescope serve`, tests). */
import { fork } from 'node:child_process';
import type { EngineProcess } from './supervisor';

/**
 * @param entry path of the engine-process bundle.
 * @param args passed to it.
 */
export function forkEngine(entry: string, args: string[] = []): EngineProcess {
  // advanced: typed arrays pass as they are. stdout belongs to the parent's table and JSON lines.
  const child = fork(entry, args, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  let exit: { code: number | null; signal: string | null } | undefined;
  const exitListeners: ((exit: { code: number | null; signal: string | null }) => void)[] = [];
  const finish = (how: { code: number | null; signal: string | null }) => {
    if (exit !== undefined) return;
    exit = how;
    for (const listener of exitListeners) listener(how);
  };
  child.once('exit', (code, signal) => finish({ code, signal }));
  child.once('error', () => finish({ code: null, signal: null }));
  return {
    post: (message) => {
      // The callback form: a child that is just ending is no error here, its exit is reported by itself.
      if (child.connected) child.send(message, () => undefined);
    },
    onMessage: (listener) => child.on('message', listener),
    onExit: (listener) => {
      exitListeners.push(listener);
    },
    kill: () => child.kill('SIGKILL'),
  };
}
