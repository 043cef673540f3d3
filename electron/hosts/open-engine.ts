/** The real engine: the addon, checkpoints through it, the rule files of this build. */
import type { EnginePort } from '../contract/transport';
import { ruleSource } from '../engine/dispatch/rules';
import { Engine } from '../engine/engine';
import { loadBinding } from '../engine/native/load';
import { NativeLoader } from '../engine/run/native-loader';
import { toolVersion } from './built';
import type { HostedEngine } from './engine-host';

/** @throws AppError `unsupported` when the addon is missing or does not load. */
export function openEngine(port: EnginePort): HostedEngine {
  const binding = loadBinding();
  const loader = new NativeLoader({ binding, rules: ruleSource(), env: process.env });
  return new Engine(port, { binding, loader, tool: `moescope ${toolVersion()}` });
}
