import { tmpdir } from 'node:os';
import { afterAll, beforeAll } from 'vitest';
import { WebSocket as NodeWebSocket } from 'ws';
import { forkEngine } from '../../electron/hosts/fork-process';
import { EngineSupervisor } from '../../electron/hosts/supervisor';
import { startWebServer } from '../../electron/hosts/web-server';
import { openSocketTransport } from '../../renderer/client/socket-transport';
import { type BuiltProcess, buildRealProcess } from './fake/build';
import { engineSuite } from './suite';
import { WindowClient } from './window-client';

let built: BuiltProcess;
const browserSocket = globalThis.WebSocket;

/** A browser's WebSocket, which Node 20 does not have: it says where its page came from. */
class PageWebSocket extends NodeWebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { origin: new URL(url).origin.replace('ws:', 'http:') });
  }
}

beforeAll(async () => {
  built = await buildRealProcess();
  globalThis.WebSocket = PageWebSocket as unknown as typeof WebSocket;
});
afterAll(() => {
  globalThis.WebSocket = browserSocket;
  built.remove();
});

engineSuite('the web host', async () => {
  const engine = new EngineSupervisor(() => forkEngine(built.entry));
  const server = await startWebServer({ port: 0, bundle: tmpdir(), engine, version: 'test' });
  const token = new URL(server.url).hash.replace('#token=', '');
  const transport = await openSocketTransport({ url: `ws://127.0.0.1:${server.port}/socket`, token });
  const close = async () => {
    transport.close();
    await Promise.all([server.close(), engine.stop()]);
  };
  return { client: new WindowClient(transport), close };
});
