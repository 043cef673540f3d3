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

/** Only after `ready`. @param utilityProcess of the module `electron`. */
export function utilityEngine(utilityProcess: Forks, entry: string): EngineProcess<MessagePortMain> {
  const child = utilityProcess.fork(entry, [], {
    serviceName: 'MoEscope engine',
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return {
    post: (message, port) => child.postMessage(message, port === undefined ? [] : [port]),
    onMessage: (listener) => {
      child.on('message', listener);
    },
    onExit: (listener) => {
      child.once('exit', (code) => listener({ code, signal: signalOf(code) }));
    },
    kill: () => child.kill(),
  };
}
