/** Transport over the direct MessagePort between this window and the engine's process (Electron). */
import { type Bridge, channels, type EngineNotice, type PortMessage } from '../../electron/contract/bridge';
import type { AppErrorData } from '../../electron/contract/errors';
import type { ToEngine, ToWindow } from '../../electron/contract/messages';
import type { Taken, Transport } from '../../electron/contract/transport';
import { Listeners } from './listeners';

const portTimeoutMs = 20_000;

/**
 * Opens a port through the bridge. When the engine's process ends, or has ended already, the transport stays: it reports a
 * `failure` event with code `engine-gone`, and gets itself a new port as soon as there is a new process.
 * @throws Error when no port arrives in 20 s.
 */
export async function openPortTransport(bridge: Bridge): Promise<Transport> {
  const transport = new PortTransport(bridge);
  await transport.open();
  return transport;
}

class PortTransport implements Transport {
  private port: MessagePort | undefined;
  private gone: AppErrorData | undefined;
  /** ends the wait for a port */
  private giveUp: () => void = () => undefined;
  private readonly messages = new Listeners<ToWindow>();
  private readonly closed = new Listeners<string>();
  private readonly unsubscribe: () => void;

  constructor(private readonly bridge: Bridge) {
    this.unsubscribe = bridge.onEngine((notice) => this.onEngine(notice));
  }

  /** Resolves with a port, or when it is known that there is no engine to have one to. */
  async open(): Promise<void> {
    const abandoned = new Promise<undefined>((done) => {
      this.giveUp = () => done(undefined);
    });
    const port = await receivePort(this.bridge, abandoned);
    if (port === undefined) return;
    this.gone = undefined;
    this.port = port;
    port.onmessage = ({ data }) => {
      this.messages.emit(data as ToWindow);
      port.postMessage({ type: 'taken', count: 1 } satisfies Taken);
    };
  }

  send(message: ToEngine): void {
    if (this.gone === undefined) {
      this.port?.postMessage(message);
      return;
    }
    this.messages.emit({ type: 'event', name: 'failure', payload: this.gone });
    if (message.type === 'request') this.messages.emit({ type: 'error', id: message.id, error: this.gone });
  }

  onMessage(listener: (message: ToWindow) => void) {
    return this.messages.add(listener);
  }

  onClose(listener: (reason: string) => void) {
    return this.closed.add(listener);
  }

  close(): void {
    this.unsubscribe();
    this.giveUp();
    this.port?.close();
    this.port = undefined;
  }

  private onEngine(notice: EngineNotice): void {
    this.port?.close();
    this.port = undefined;
    this.giveUp();
    if (notice.state === 'gone') {
      this.gone = notice.error;
      this.messages.emit({ type: 'event', name: 'failure', payload: notice.error });
    } else this.open().catch((error: Error) => this.closed.emit(error.message));
  }
}

let tickets = 0;

function receivePort(bridge: Bridge, abandoned: Promise<undefined>): Promise<MessagePort | undefined> {
  const ticket = ++tickets;
  return new Promise((done, failed) => {
    const finish = (port: MessagePort | undefined) => {
      clearTimeout(limit);
      window.removeEventListener('message', listen);
      done(port);
    };
    const limit = setTimeout(() => {
      window.removeEventListener('message', listen);
      failed(new Error(`The engine gave no port within ${portTimeoutMs / 1000} s.`));
    }, portTimeoutMs);
    const listen = (event: MessageEvent) => {
      // Only what the preload of this very window posted: same window, same origin, our ticket.
      if (event.source !== window || event.origin !== window.location.origin) return;
      const data = event.data as Partial<PortMessage> | null;
      const port = event.ports[0];
      if (data?.channel === channels.port && data.ticket === ticket && port !== undefined) finish(port);
    };
    window.addEventListener('message', listen);
    void abandoned.then(finish);
    bridge.openPort(ticket);
  });
}
