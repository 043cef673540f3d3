/** What the engine's own process does: a hub for the windows, the engine behind it, and an end that says why. */
import { AppError } from '../contract/errors';
import type { ToEngine } from '../contract/messages';
import type { EnginePort } from '../contract/transport';
import { type DirectPort, parentLink } from './parent-link';
import { PortHub } from './port-hub';
import { ToProcessSchema } from './process-messages';

/** Exit code after an uncaught error: `internal` in the table of exit codes. */
const faultExit = 5;

/** An engine that answers on the port it was given. `close` finishes what must be finished, such as a recording. */
export interface HostedEngine {
  close(): Promise<void>;
}
export type OpenEngine = (port: EnginePort) => HostedEngine;

/**
 * Runs this process as an engine process.
 * @param load imports the engine. Not done before, so that an addon that is missing or does not load is an answer to
 *   every request and not a process that dies at its start.
 */
export function runEngineHost(load: () => Promise<OpenEngine>): void {
  const link = parentLink();
  const hub = new PortHub({ onActivity: (running) => link.post({ type: 'activity', running }) });
  let engine: HostedEngine | undefined;

  const fault = (thrown: unknown) => {
    process.stderr.write(`${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`);
    link.post({ type: 'fatal', error: AppError.from(thrown).toData() });
    // A moment, so that the message leaves first.
    setTimeout(() => process.exit(faultExit), 50);
  };
  process.on('uncaughtException', fault);
  process.on('unhandledRejection', fault);
  // Ctrl-C reaches the whole process group; the parent says when to end.
  process.on('SIGINT', () => undefined);

  const end = async () => {
    // First, so that a recording is ended in order; the hub's close would only start it.
    await engine?.close();
    hub.close();
    process.exit(0);
  };

  link.onMessage((unparsed, port) => {
    const message = ToProcessSchema.parse(unparsed);
    if (message.type === 'receive') hub.receive(message.window, message.message);
    else if (message.type === 'detach') hub.detach(message.window);
    else if (message.type === 'end') void end();
    else if (port !== undefined) attachDirect(hub, message.window, port);
    else hub.attach(message.window, (reply) => link.post({ type: 'deliver', window: message.window, message: reply }));
  });
  link.onClose(() => void end());

  openBehind(hub, load).then((opened) => {
    engine = opened;
  }, fault);
}

function attachDirect(hub: PortHub, window: number, port: DirectPort): void {
  port.on('message', ({ data }) => hub.receive(window, data));
  port.on('close', () => hub.detach(window));
  hub.attach(window, (message) => port.postMessage(message));
  port.start();
}

/** Requests that arrive while the engine is loaded wait; if it cannot be loaded, each is answered with why. */
async function openBehind(hub: PortHub, load: () => Promise<OpenEngine>): Promise<HostedEngine | undefined> {
  const early: ToEngine[] = [];
  hub.onMessage((message) => early.push(message));
  let deliver: (message: ToEngine) => void = () => undefined;
  const port: EnginePort = {
    post: (message) => hub.post(message),
    backlog: () => hub.backlog(),
    onClose: (listener) => hub.onClose(listener),
    onMessage: (listener) => {
      deliver = listener;
    },
  };
  let engine: HostedEngine | undefined;
  try {
    engine = (await load())(port);
  } catch (thrown) {
    const error = AppError.from(thrown).toData();
    deliver = (message) => {
      if (message.type === 'request') hub.post({ type: 'error', id: message.id, error });
    };
  }
  early.forEach(deliver);
  hub.onMessage(deliver);
  return engine;
}
