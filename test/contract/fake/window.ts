/** A window over the web host, as a browser makes it: our protocol names, an origin, the codec. */
import { type ClientOptions, WebSocket } from 'ws';
import { webProtocol, webTokenPrefix } from '../../../electron/contract/bridge';
import { type ToWindow, ToWindowSchema } from '../../../electron/contract/messages';
import { decodeMessage, encodeMessage } from '../../../electron/wire/codec';

export interface RawWindow {
  socket: WebSocket;
  got: ToWindow[];
  send(message: unknown): void;
  /** The reply or error to a request; also those that came already. */
  answer(id: number): Promise<ToWindow>;
  event(name: string): Promise<unknown>;
  closed: Promise<{ code: number; reason: string }>;
}

export interface Visit {
  port: number;
  token: string;
  origin?: string | undefined;
  host?: string;
  path?: string;
  protocols?: string[];
}

/** Resolves once the handshake is through. @throws Error `HTTP <status>` when the server refuses it. */
export function openWindow({ port, token, origin, host, path = '/socket', protocols }: Visit): Promise<RawWindow> {
  const options: ClientOptions = {
    ...(origin !== undefined && { origin }),
    ...(host !== undefined && { headers: { host } }),
  };
  const names = protocols ?? [webProtocol, webTokenPrefix + token];
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, names, options);
  const got: ToWindow[] = [];
  let heard: () => void = () => undefined;
  socket.on('message', (data) => {
    got.push(ToWindowSchema.parse(decodeMessage(data as Buffer)));
    heard();
  });
  const until = async (find: (message: ToWindow) => boolean): Promise<ToWindow> => {
    for (;;) {
      const message = got.find(find);
      if (message !== undefined) return message;
      await new Promise<void>((done) => {
        heard = done;
        setTimeout(done, 20);
      });
    }
  };
  const closed = new Promise<{ code: number; reason: string }>((done) => {
    socket.once('close', (code, reason) => done({ code, reason: String(reason) }));
  });
  return new Promise((done, failed) => {
    socket.once('unexpected-response', (_request, { statusCode }) => failed(new Error(`HTTP ${statusCode}`)));
    socket.once('error', failed);
    socket.once('open', () =>
      done({
        socket,
        got,
        closed,
        send: (message) => socket.send(encodeMessage(message)),
        answer: (id) => until((message) => message.type !== 'event' && message.id === id),
        event: async (name) => {
          const message = await until((one) => one.type === 'event' && one.name === name);
          return message.type === 'event' ? message.payload : undefined;
        },
      }),
    );
  });
}
