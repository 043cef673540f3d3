import type { CheckpointSummary, Contract } from '../../contract/layer';
import type { Device, EngineState } from '../../contract/session';
import type { TaskOptions } from '../native/binding';
import type { LayerRuntime } from './runtime';

export interface OpenedCheckpoint {
  readonly summary: CheckpointSummary;
  close(): void;
}

export interface LoadRequest {
  /** undefined: the first MoE layer that can be loaded */
  layer?: number;
  contract: Contract;
  merge: 'max' | 'column-0';
  /** built-in name or path of a provider library */
  provider: string;
  /** id of a rule file */
  rules: string;
  /** undefined: the environment variable, else 0 */
  threshold?: number;
  /** what gave the threshold, for its origin: "--threshold", "window" */
  thresholdOrigin?: { kind: 'argument' | 'session' | 'window'; where: string };
}

/** How the engine gets at checkpoints and layers; tests give it layers that need no addon. */
export interface LayerLoader {
  providers(): Device[];
  ruleFiles(): EngineState['ruleFiles'];
  defaultRules(): string;
  open(path: string, task: TaskOptions): Promise<OpenedCheckpoint>;
  load(checkpoint: OpenedCheckpoint, request: LoadRequest, task: TaskOptions): Promise<LayerRuntime>;
}
