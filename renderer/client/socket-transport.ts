/** Transport over a WebSocket to `moescope serve`. */
import { unauthorizedClose, webProtocol, webTokenPrefix } from '../../electron/contract/bridge';
import { AppError } from '../../electron/contract/errors';
import { type ShellRequestName, type ToEngine, type ToWindow, ToWindowSchema } from '../../electron/contract/messages';
import type { Taken, Transport } from '../../electron/contract/transport';
import { decodeMessage, encodeMessage } from '../../electron/wire/codec';
import { Listeners } from './listeners';

/** Address and token of the server that served this page. */
export interface ServerAddress {
  /** ws://host:port/socket */
  url: string;
  token: string;
}

export interface SocketTransport extends Transport {
  /** A request that the server answers itself, beside those that it passes on to the engine. */
  shellRequest(name: ShellRequestName): Promise<unknown>;
}

/**
 * @throws AppError `unauthorized` when the server refuses the token, `engine-gone` when it cannot be reached.
 */
export function openSocketTransport({ url, token }: ServerAddress): Promise<SocketTransport> {
  return new Promise((done, failed) => {
    const socket = new WebSocket(url, [webProtocol, webTokenPrefix + token]);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => done(overSocket(socket));
    socket.onclose = (event) => failed(closeError(event));
  });
}

function closeError(event: CloseEvent): AppError {
  if (event.code === unauthorizedClose) {
    return new AppError({
      code: 'unauthorized',
      message: 'The server does not accept this address: its token is missing or belongs to an earlier start.',
      remedy: 'Open the address that `moescope serve` printed.',
    });
  }
  const why = event.reason === '' ? '' : ` (${event.reason})`;
  return new AppError({
    code: 'engine-gone',
    message: `The server cannot be reached${why}.`,
    remedy: 'Is it running?',
  });
}

function overSocket(socket: WebSocket): SocketTransport {
  const messages = new Listeners<ToWindow>();
  const closed = new Listeners<string>();
  const shell = new Map<number, { done: (value: unknown) => void; failed: (error: AppError) => void }>();
  let shellId = 0;

  const send = (message: ToEngine | Taken) => {
    // A socket that is closing says so through onclose; what is sent meanwhile has no one to arrive at.
    if (socket.readyState === WebSocket.OPEN) socket.send(new Uint8Array(encodeMessage(message)));
  };

  socket.onmessage = ({ data }) => {
    const message = ToWindowSchema.parse(decodeMessage(new Uint8Array(data as ArrayBuffer)));
    const waiting = message.type === 'event' ? undefined : shell.get(message.id);
    if (waiting === undefined || message.type === 'event') messages.emit(message);
    else {
      shell.delete(message.id);
      if (message.type === 'reply') waiting.done(message.result);
      else waiting.failed(new AppError(message.error));
    }
    send({ type: 'taken', count: 1 });
  };
  socket.onclose = (event) => {
    const error = closeError(event);
    for (const { failed } of shell.values()) failed(error);
    shell.clear();
    closed.emit(error.message);
  };

  return {
    send,
    onMessage: (listener) => messages.add(listener),
    onClose: (listener) => closed.add(listener),
    close: () => {
      socket.onclose = null;
      socket.close(1000);
    },
    shellRequest: (name) =>
      new Promise((done, failed) => {
        // Negative, so that they never meet the ids of requests to the engine.
        const id = --shellId;
        shell.set(id, { done, failed });
        send({ type: 'request', id, name, params: {} });
      }),
  };
}
