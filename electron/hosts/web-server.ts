/**
 * The web host: the window's files and a WebSocket to the engine, on 127.0.0.1 only. The files are no secret; the engine
 * is reached only with the token that was printed with the address.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { unauthorizedClose, webProtocol } from '../contract/bridge';
import { AppError } from '../contract/errors';
import { ToEngineSchema, type ToWindow } from '../contract/messages';
import { decodeMessage, encodeMessage } from '../wire/codec';
import { readBundleFile, securityHeaders } from './bundle-files';
import type { EngineSupervisor } from './supervisor';
import { isLoopbackHost, isOwnOrigin, newToken, rateLimit, sameToken, tokenOf } from './web-guard';

/** Bytes of one message from a window: requests are small, results go the other way. */
export const maxMessageBytes = 256 * 1024;
/** Messages from one window: a drag sends about 60 requests a second, and takes as many replies. */
export const messageBurst = 2000;
export const messagesPerSecond = 500;
/** A window that has this much unsent is not reading any more. */
const maxUnsentBytes = 64 * 1024 * 1024;
const maxWindows = 32;

/** WebSocket close codes, RFC 6455 section 7.4.1. */
const policyViolation = 1008;
const invalidData = 1007;
const tryLater = 1013;

export interface WebServerOptions {
  /** 0: any free port */
  port: number;
  /** folder of the window's bundle */
  bundle: string;
  engine: EngineSupervisor;
  version: string;
}

export interface WebServer {
  port: number;
  /** Address with the token in its fragment, which browsers do not send to any server. */
  url: string;
  close(): Promise<void>;
}

/** Starts the server. @throws AppError `bad-option` when the port is taken or not allowed. */
export async function startWebServer({ port, bundle, engine, version }: WebServerOptions): Promise<WebServer> {
  const token = newToken();
  const server = createServer((request, response) => {
    answer(request, response, { bundle, version }).catch((error: Error) => {
      process.stderr.write(`moescope serve: ${error.message}\n`);
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'The file could not be read.');
    });
  });
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    clientTracking: true,
    handleProtocols: (names) => (names.has(webProtocol) ? webProtocol : false),
  });
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const { host, origin } = request.headers;
    if (request.url !== '/socket' || !isLoopbackHost(host) || !isOwnOrigin(origin, host)) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (window) => {
      // Errors of the protocol (too long, malformed) also close the socket, which is all there is to do.
      window.on('error', () => undefined);
      // Accepted first, because a browser does not tell its page why a handshake was refused.
      if (!sameToken(tokenOf(request.headers['sec-websocket-protocol']) ?? '', token)) {
        window.close(unauthorizedClose, 'wrong token');
      } else if (sockets.clients.size > maxWindows) window.close(tryLater, `more than ${maxWindows} windows`);
      else serveWindow(window, engine, version);
    });
  });
  await listen(server, port);
  const actual = (server.address() as AddressInfo).port;
  return {
    port: actual,
    url: `http://127.0.0.1:${actual}/#token=${token}`,
    close: () =>
      new Promise((done) => {
        for (const window of sockets.clients) window.terminate();
        server.close(() => done());
        // Node 16 has no closeAllConnections; where it is missing, kept-alive connections end with the process.
        server.closeAllConnections?.();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      const taken = code === 'EADDRINUSE';
      failed(
        new AppError({
          code: 'bad-option',
          message: taken ? `Port ${port} is already in use.` : `Port ${port} cannot be opened: ${message}.`,
          subject: '--port',
          expected: 'a free port of this machine, or 0 for any',
          found: String(port),
          remedy: taken ? 'End the other server or give another --port.' : 'Give another --port.',
        }),
      );
    });
    server.listen(port, '127.0.0.1', done);
  });
}

interface Site {
  bundle: string;
  version: string;
}

async function answer(request: IncomingMessage, response: ServerResponse, { bundle, version }: Site): Promise<void> {
  const { host } = request.headers;
  if (!isLoopbackHost(host)) return refuse(response, 403, 'This server answers only to 127.0.0.1 and localhost.');
  const get = request.method === 'GET' || request.method === 'HEAD';
  if (!get) return refuse(response, 405, 'Only GET and HEAD are answered.');
  // Taken by hand: URL() would resolve ".." and hide it from the check.
  const path = (request.url ?? '/').replace(/[?#].*$/s, '');
  if (path === '/health') return send(response, 200, 'application/json', JSON.stringify({ status: 'ok', version }));
  const file = await readBundleFile(bundle, path);
  if (file === undefined) return refuse(response, 404, 'There is no such file.');
  // Spelled out, because older browsers do not count ws: as 'self'.
  send(response, 200, file.type, file.bytes, securityHeaders([`ws://${host}`]));
}

const refuse = (response: ServerResponse, status: number, why: string) =>
  send(response, status, 'text/plain; charset=utf-8', `${why}\n`);

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
  headers = securityHeaders(),
): void {
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

/** One window: messages to the engine and back, and the few requests that are the server's own. */
function serveWindow(socket: WebSocket, engine: EngineSupervisor, version: string): void {
  const allowed = rateLimit(messageBurst, messagesPerSecond);
  const deliver = (message: ToWindow) => {
    if (socket.bufferedAmount > maxUnsentBytes) socket.terminate();
    else if (socket.readyState === socket.OPEN) socket.send(encodeMessage(message));
  };
  const link = engine.connect(deliver);
  socket.on('close', () => link.close());
  socket.on('message', (data, isBinary) => {
    if (!isBinary) return socket.close(invalidData, 'binary messages only');
    if (!allowed()) return socket.close(policyViolation, 'too many messages');
    let message: unknown;
    try {
      message = decodeMessage(data as Buffer);
    } catch {
      return socket.close(invalidData, 'not a message');
    }
    const parsed = ToEngineSchema.safeParse(message);
    const own = parsed.success && parsed.data.type === 'request' && parsed.data.name.startsWith('shell.');
    if (!own) return link.send(message);
    const { id, name } = parsed.data as { id: number; name: string };
    deliver(answerShell(id, name, engine, version));
  });
}

/** Dialogs are the browser's; what is left for the server is to say what it is and to restart the engine. */
function answerShell(id: number, name: string, engine: EngineSupervisor, version: string): ToWindow {
  if (name === 'shell.restartEngine') {
    engine.restart();
    return { type: 'reply', id, result: {} };
  }
  if (name === 'shell.about') {
    const about = { version, host: 'web', electron: '', chromium: '', node: process.versions.node };
    return { type: 'reply', id, result: about };
  }
  return { type: 'error', id, error: { code: 'unsupported', message: `${name} does not exist on the web host.` } };
}
