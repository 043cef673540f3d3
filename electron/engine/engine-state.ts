import type { AppErrorData } from '../contract/errors';
import type { CheckpointSummary, Contract } from '../contract/layer';
import type { EngineState, Workload } from '../contract/session';
import type { LiveRun } from './run/live-run';
import type { LayerLoader } from './run/loader';
import type { RunState } from './run/machine';
import type { Recorder } from './session/recorder';
import type { ReplaySource } from './session/replay-source';

export interface StateParts {
  state: RunState;
  loader: Pick<LayerLoader, 'providers' | 'ruleFiles'>;
  checkpoint: CheckpointSummary | null;
  live: LiveRun | null;
  replay: ReplaySource | null;
  recorder: Recorder | null;
  workload: Workload;
  warnings: readonly string[];
  error: AppErrorData | null;
  /** what the next load would take, shown while nothing is loaded */
  wanted: { contract: Contract; rules: string };
}

/** The state as the window sees it: of the session that is open, else of what is loaded. */
export function engineState(parts: StateParts): EngineState {
  const { live, replay, recorder, loader } = parts;
  const runtime = live?.source.runtime ?? null;
  const recorded = replay?.environment ?? null;
  const source = replay ?? live?.source ?? null;
  const held = runtime?.deviceMemory;
  return {
    state: parts.state,
    source: source?.kind ?? 'none',
    checkpoint: recorded?.checkpoint ?? parts.checkpoint,
    layer: recorded?.layer ?? runtime?.summary ?? null,
    contract: source?.contract ?? parts.wanted.contract,
    rules: recorded?.rules ?? runtime?.options.rulesId ?? parts.wanted.rules,
    ruleFiles: loader.ruleFiles(),
    threshold: replay?.threshold() ??
      live?.threshold ?? { tokens: 0, origin: { kind: 'default', where: 'no layer is loaded' } },
    workload: recorded?.workload ?? parts.workload,
    device: recorded?.device ?? runtime?.device ?? null,
    providers: loader.providers(),
    session: replay?.info() ?? null,
    recording: {
      active: recorder?.active ?? false,
      path: recorder?.path ?? '',
      bytes: recorder?.bytes ?? 0,
      batches: recorder?.batches ?? 0,
    },
    position: source ? source.visible() - 1 : -1,
    batches: source?.table.length ?? 0,
    memoryBytes: (live?.source.memoryBytes() ?? 0) + (replay?.memoryBytes() ?? 0),
    ...(held && { deviceMemory: held }),
    warnings: [...parts.warnings],
    error: parts.error,
  };
}
