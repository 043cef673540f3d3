/** The real engine on the addon, behind the in-memory host. */
import { ruleSource } from '../../electron/engine/dispatch/rules';
import { Engine } from '../../electron/engine/engine';
import { loadBinding } from '../../electron/engine/native/load';
import { NativeLoader } from '../../electron/engine/run/native-loader';
import { memoryPair } from '../../electron/hosts/memory';
import { WindowClient } from './window-client';

export function memoryEngine() {
  const binding = loadBinding();
  const { transport, port, hold } = memoryPair();
  const loader = new NativeLoader({ binding, rules: ruleSource({}), env: {} });
  const engine = new Engine(port, { binding, loader, tool: 'moescope test' });
  return { engine, hold, client: new WindowClient(transport), binding, close: () => engine.close() };
}
