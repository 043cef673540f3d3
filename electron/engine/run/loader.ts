import type { CheckpointSummary, Contract, Origin } from '../../contract/layer';
import type { Device, EngineState } from '../../contract/session';
import type { ThresholdSources } from '../layer/threshold';
import type { TaskOptions } from '../native/binding';
import type { LayerRuntime } from './runtime';

export interface OpenedCheckpoint {
  readonly summary: CheckpointSummary;
  close(): Promise<void>;
}

export interface LoadRequest {
  /** undefined: the first MoE layer that can be loaded */
  layer?: number | undefined;
  contract: Contract;
  merge: 'max' | 'column-0';
  /** built-in name or path of a provider library */
  provider: string;
  /** id of a rule file; undefined: the default one */
  rules?: string | undefined;
  threshold: ThresholdSources;
  /** origin to show instead of the argument's: the threshold was set in the window */
  thresholdOrigin?: Origin | undefined;
}

export interface LoadResult {
  runtime: LayerRuntime;
  warnings: string[];
}

/** How the engine gets at checkpoints and layers; a test may give it layers that need no checkpoint. */
export interface LayerLoader {
  providers(): Device[];
  ruleFiles(): EngineState['ruleFiles'];
  defaultRules(): string;
  open(path: string, signal: AbortSignal): Promise<OpenedCheckpoint>;
  load(checkpoint: OpenedCheckpoint, request: LoadRequest, task: TaskOptions): Promise<LoadResult>;
}
