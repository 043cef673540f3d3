import { afterAll, beforeAll } from 'vitest';
import type { ToWindow } from '../../electron/contract/messages';
import type { Transport } from '../../electron/contract/transport';
import { forkEngine } from '../../electron/hosts/fork-process';
import { EngineSupervisor } from '../../electron/hosts/supervisor';
import { type BuiltProcess, buildRealProcess } from './fake/build';
import { engineSuite } from './suite';
import { WindowClient } from './window-client';

let built: BuiltProcess;
beforeAll(async () => {
  built = await buildRealProcess();
});
afterAll(() => built.remove());

/** A window of the process itself, as the terminal's is: it takes what it gets at once. */
function overSupervisor(supervisor: EngineSupervisor): Transport {
  let heard: (message: ToWindow) => void = () => undefined;
  const link = supervisor.connect((message) => {
    heard(message);
    link.send({ type: 'taken', count: 1 });
  });
  return {
    send: (message) => link.send(message),
    onMessage: (listener) => {
      heard = listener;
      return () => undefined;
    },
    onClose: () => () => undefined,
    close: () => link.close(),
  };
}

engineSuite('a forked process', async () => {
  const supervisor = new EngineSupervisor(() => forkEngine(built.entry));
  return { client: new WindowClient(overSupervisor(supervisor)), close: () => supervisor.stop() };
});
