/** The engine on the addon, as the engine's process opens it. Imported late: an addon that does not load is an error to show. */
import type { EnginePort } from '../contract/transport';
import { ruleSource } from '../engine/dispatch/rules';
import { Engine } from '../engine/engine';
import { loadBinding } from '../engine/native/load';
import { NativeLoader } from '../engine/run/native-loader';
import { toolVersion } from './built';

/** @throws AppError `unsupported` when the addon is not there. */
export function openEngine(port: EnginePort): Engine {
  const binding = loadBinding();
  const env = process.env;
  const loader = new NativeLoader({ binding, rules: ruleSource(env), env });
  return new Engine(port, { binding, loader, tool: `moescope ${toolVersion()}` });
}
