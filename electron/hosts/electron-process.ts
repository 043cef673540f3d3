/** The engine's process as a utility process of Electron. Windows get ports of their own to it. */
import { constants } from 'node:os';
import type { MessagePortMain, UtilityProcess } from 'electron';
import type { EngineProcess } from './supervisor';

/** Signals that end a faulty process; they are not among the exit codes that the engine's process gives itself. */
const faults = ['SIGILL', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGKILL', 'SIGSEGV'] as const;

/** Electron tells only a code; for a signal it is the signal's number (seen in 22), or that plus 128 as shells count. */
function signalOf(code: number): string | null {
  if (process.platform === 'win32') return null;
  const number = code > 128 ? code - 128 : code;
  return faults.find((name) => constants.signals[name] === number) ?? null;
}

interface Forks {
  fork(modulePath: string, args: string[], options: object): UtilityProcess;
}

interface Gone {
  name?: string;
  exitCode: number;
}

/** The part of Electron's `app` that tells how child processes end. */
interface Ends {
  on(event: 'child-process-gone', listener: (event: unknown, gone: Gone) => void): unknown;
  off(event: 'child-process-gone', listener: (event: unknown, gone: Gone) => void): unknown;
}

const serviceName = 'MoEscope engine';

/** How long `child-process-gone` may come after `exit`, milliseconds. */
const goneWithinMs = 1000;

/**
 * Only after `ready`. @param utilityProcess, @param app of the module `electron`.
 *
 * Electron 22 gives `exit` the code 0 when it sees the broken connection before the process's end: a killed engine would
 * seem to have ended well. `child-process-gone` has the code that the system gave, so an unasked 0 waits for it.
 */
export function utilityEngine(utilityProcess: Forks, app: Ends, entry: string): EngineProcess<MessagePortMain> {
  const child = utilityProcess.fork(entry, [], { serviceName, stdio: ['ignore', 'ignore', 'inherit'] });
  let asked = false;
  return {
    post: (message, port) => {
      if ((message as { type?: unknown }).type === 'end') asked = true;
      child.postMessage(message, port === undefined ? [] : [port]);
    },
    onMessage: (listener) => {
      child.on('message', listener);
    },
    onExit: (listener) => {
      let known: number | undefined;
      let limit: NodeJS.Timeout | undefined;
      const tell = (code: number | null) => {
        clearTimeout(limit);
        app.off('child-process-gone', onGone);
        listener({ code, signal: code === null ? null : signalOf(code) });
      };
      const onGone = (_event: unknown, gone: Gone) => {
        if (gone.name !== serviceName) return;
        known = gone.exitCode;
        if (limit !== undefined) tell(known);
      };
      app.on('child-process-gone', onGone);
      child.once('exit', (code) => {
        if (code !== 0 || asked) tell(code);
        else if (known !== undefined) tell(known);
        else limit = setTimeout(() => tell(null), goneWithinMs);
      });
    },
    kill: () => child.kill(),
  };
}
