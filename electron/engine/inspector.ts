/**
 * Everything the engine does, without messages: one checkpoint, one loaded layer, its run, and at most one recorded session
 * looked at instead. The Engine (engine.ts) puts messages in front of it; the command line uses it as it is.
 */

import type { BatchRow } from '../contract/batch';
import { AppError, type AppErrorData } from '../contract/errors';
import type { CheckpointSummary, LayerSummary, Origin } from '../contract/layer';
import type { DeviceMemory, EngineState, SessionInfo, Workload, WorkloadChange } from '../contract/session';
import { engineState } from './engine-state';
import type { CancelFlag, NativeBinding, TaskOptions } from './native/binding';
import { LiveRun } from './run/live-run';
import { LiveSource } from './run/live-source';
import type { LayerLoader, LoadRequest, OpenedCheckpoint } from './run/loader';
import { RunMachine, type RunState } from './run/machine';
import type { Source } from './run/source';
import { Recorder } from './session/recorder';
import { ReplayPlayer } from './session/replay-player';
import { ReplaySource } from './session/replay-source';
import { defaultWorkload } from './workload/generate';

/** Told of everything that happens by itself. */
export interface InspectorEvents {
  changed(): void;
  /** a batch became visible; `visible` is how many are now */
  row(row: BatchRow, visible: number): void;
  /** the batches looked at are others now: rows on their way are void */
  sourceChanged(): void;
  warning(message: string): void;
  failure(error: AppErrorData): void;
}

export interface InspectorOptions {
  binding: NativeBinding;
  loader: LayerLoader;
  /** name and version for sessions: "moescope 0.1.0" */
  tool: string;
  events: InspectorEvents;
}

export interface LoadParams extends Partial<Omit<LoadRequest, 'threshold' | 'thresholdOrigin'>> {
  threshold?: number | undefined;
  /** what gave the threshold; the window when absent */
  thresholdOrigin?: Origin | undefined;
}

export const toolbarOrigin: Origin = { kind: 'window', where: 'threshold control of the window' };

export class Inspector {
  readonly binding: NativeBinding;
  readonly machine: RunMachine;
  private readonly options: InspectorOptions;
  private checkpoint: OpenedCheckpoint | null = null;
  private live: LiveRun | null = null;
  private player: ReplayPlayer | null = null;
  private recorder: Recorder | null = null;
  private workload: Workload = defaultWorkload;
  private lastLoad: LoadParams = {};
  private warnings: string[] = [];
  private error: AppErrorData | null = null;

  constructor(options: InspectorOptions) {
    this.options = options;
    this.binding = options.binding;
    this.machine = new RunMachine(() => options.events.changed());
  }

  state(): EngineState {
    const { machine, checkpoint, live, player, recorder, workload, warnings, error, lastLoad } = this;
    const { loader } = this.options;
    const replay = player?.source ?? null;
    return engineState({
      state: machine.state,
      loader,
      checkpoint: checkpoint?.summary ?? null,
      live,
      replay,
      recorder,
      workload,
      warnings,
      error,
      wanted: { contract: lastLoad.contract ?? 'unit-alpha', rules: lastLoad.rules ?? loader.defaultRules() },
    });
  }

  /** What the loaded layer holds of a device's memory; null without either. As noted by the last run, so it is cheap. */
  get deviceMemory(): DeviceMemory | null {
    return this.live?.source.runtime.deviceMemory ?? null;
  }

  sourceOrNull(): Source | null {
    return this.player?.source ?? this.live?.source ?? null;
  }

  /** What panels look at now. Throws `wrong-state` when there is nothing. */
  source(): Source {
    const source = this.sourceOrNull();
    if (source) return source;
    throw new AppError({
      code: 'wrong-state',
      message: 'There is nothing to look at yet.',
      remedy: 'Open a checkpoint and load a layer, or open a session.',
    });
  }

  /** As `source`, after checking that batch `index` exists and may be seen. Throws `bad-option`. */
  sourceWith(index: number): Source {
    const source = this.source();
    if (index < source.visible()) return source;
    throw new AppError({
      code: 'bad-option',
      message: `There is no batch ${index}.`,
      subject: 'batch',
      expected: source.visible() === 0 ? 'no batch has run yet' : `0 to ${source.visible() - 1}`,
      found: String(index),
    });
  }

  /** Rest state of what is loaded, when nothing is going on. */
  private rest(): RunState {
    if (this.player) return 'replay';
    if (!this.live) return 'empty';
    return this.live.source.table.length > 0 ? 'paused' : 'ready';
  }

  /** Runs `work` in state `loading`. If it fails or is cancelled, everything is as it was before. */
  private async loading<T>(action: string, work: () => Promise<T>): Promise<T> {
    await this.pause();
    this.machine.require(action, 'empty', 'ready', 'paused', 'replay', 'failed');
    const before = this.machine.state;
    this.machine.to('loading');
    try {
      const result = await work();
      this.error = null;
      this.machine.to(this.rest());
      return result;
    } catch (thrown) {
      const error = AppError.from(thrown);
      if (error.code !== 'cancelled') this.error = error.toData();
      this.machine.to(before);
      throw error;
    }
  }

  /** Opens a checkpoint in place of the one that is open. Its layer, if any, is unloaded. */
  openCheckpoint(path: string, signal: AbortSignal): Promise<CheckpointSummary> {
    return this.loading('open a checkpoint', async () => {
      const opened = await this.options.loader.open(path, signal);
      if (signal.aborted) {
        await opened.close();
        throw cancelled('Opening the checkpoint was cancelled.');
      }
      await this.stopRecording().catch(() => undefined);
      await this.closePlayer();
      await this.unload();
      await this.checkpoint?.close();
      this.checkpoint = opened;
      this.warnings = [...opened.summary.warnings];
      this.options.events.sourceChanged();
      return opened.summary;
    });
  }

  /** Loads a layer of the open checkpoint. The layer that was loaded before stays until the new one is ready. */
  loadLayer(params: LoadParams, task: TaskOptions, signal: AbortSignal): Promise<LayerSummary> {
    const { checkpoint } = this;
    if (!checkpoint) {
      return Promise.reject(
        new AppError({ code: 'wrong-state', message: 'No checkpoint is open.', remedy: 'Open a checkpoint first.' }),
      );
    }
    return this.loading('load a layer', async () => {
      const request = { ...this.lastLoad, ...defined(params) };
      // A threshold without an origin is the window's, whatever gave the one before.
      if (params.threshold !== undefined) request.thresholdOrigin = params.thresholdOrigin ?? toolbarOrigin;
      const { runtime, warnings } = await this.options.loader.load(
        checkpoint,
        {
          layer: request.layer,
          contract: request.contract ?? 'unit-alpha',
          merge: request.merge ?? 'max',
          provider: request.provider ?? 'cpu',
          rules: request.rules,
          threshold:
            request.threshold === undefined
              ? {}
              : { argument: { tokens: request.threshold, where: (request.thresholdOrigin ?? toolbarOrigin).where } },
          thresholdOrigin: request.threshold === undefined ? undefined : (request.thresholdOrigin ?? toolbarOrigin),
        },
        task,
      );
      if (signal.aborted) {
        await runtime.dispose();
        throw cancelled('Loading the layer was cancelled.');
      }
      await this.stopRecording().catch(() => undefined);
      await this.closePlayer();
      await this.unload();
      this.lastLoad = request;
      this.warnings = [...checkpoint.summary.warnings, ...warnings];
      this.startOver(new LiveSource(runtime, this.workload));
      return runtime.summary;
    });
  }

  private startOver(source: LiveSource): void {
    const { events } = this.options;
    this.live = new LiveRun(source, this.workload, this.machine, {
      row: (row) => events.row(row, source.visible()),
      failure: (error) => {
        this.error = error.toData();
        events.failure(error.toData());
        events.changed();
      },
      changed: () => events.changed(),
    });
    events.sourceChanged();
  }

  private liveRun(action: string): LiveRun {
    if (this.player) this.machine.require(action, 'ready', 'paused', 'running');
    if (this.live) return this.live;
    throw new AppError({
      code: 'wrong-state',
      message: `Cannot ${action}: no layer is loaded.`,
      remedy: 'Open a checkpoint and load a layer first.',
    });
  }

  async start(change?: WorkloadChange): Promise<void> {
    const live = this.liveRun('start a run');
    this.machine.require('start a run', 'ready', 'paused');
    if (change) await this.setWorkload(change);
    this.error = null;
    live.start();
  }

  /** Ends a run after its batch, or stops a replay that plays. Does nothing when neither goes on. */
  async pause(): Promise<void> {
    this.player?.stop();
    await this.live?.pause();
  }

  /** Resolves when the run has come to its end by itself or was paused. */
  async finished(): Promise<void> {
    await this.live?.finished();
  }

  async step(tokens: number | undefined, cancel?: CancelFlag): Promise<BatchRow> {
    const row = await this.liveRun('step').step(tokens, cancel);
    this.options.events.changed();
    return row;
  }

  /** Forgets all batches; the layer stays. A recording ends first, since its batches are these. */
  async reset(): Promise<void> {
    const live = this.liveRun('reset the run');
    this.machine.require('reset the run', 'ready', 'paused', 'running');
    await live.pause();
    await this.stopRecording().catch(() => undefined);
    const { runtime } = live.source;
    await live.source.dispose();
    this.startOver(new LiveSource(runtime, this.workload));
    this.error = null;
    this.machine.to('ready');
    this.options.events.changed();
  }

  async setThreshold(tokens: number, origin: Origin = toolbarOrigin): Promise<void> {
    await this.liveRun('move the threshold').setThreshold({ tokens, origin });
    this.lastLoad = { ...this.lastLoad, threshold: tokens, thresholdOrigin: origin };
    this.options.events.changed();
  }

  async setWorkload(change: WorkloadChange): Promise<Workload> {
    const next = { ...this.workload, ...defined(change) };
    this.workload = this.live && !this.player ? await this.live.setWorkload(next) : next;
    this.options.events.changed();
    return this.workload;
  }

  async record(path: string, options: { taps: boolean; weights?: boolean; notes?: string }): Promise<void> {
    const live = this.liveRun('record');
    if (this.recorder?.active)
      throw new AppError({
        code: 'busy',
        message: `A recording to ${this.recorder.path} is going on.`,
        remedy: 'Stop it first.',
      });
    if (!this.checkpoint) throw new AppError({ code: 'wrong-state', message: 'No checkpoint is open.' });
    const recorder = await Recorder.create(path, {
      tool: this.options.tool,
      source: live.source,
      checkpoint: this.checkpoint.summary,
      workload: this.workload,
      taps: options.taps,
      weights: options.weights ?? false,
      notes: options.notes ?? '',
      onFailure: (error) => {
        this.error = error.toData();
        live.observer = null;
        this.options.events.failure(error.toData());
        this.options.events.changed();
      },
    });
    this.recorder = recorder;
    live.observer = recorder;
    this.options.events.changed();
  }

  /** Ends the recording in order. Throws `wrong-state` when none goes on, and the error of a recording that failed. */
  async stopRecording(): Promise<SessionInfo> {
    const { recorder } = this;
    if (!recorder) throw new AppError({ code: 'wrong-state', message: 'Nothing is being recorded.' });
    // A batch that was announced gets its result before the recording ends.
    await this.live?.betweenBatches();
    if (this.live?.observer === recorder) this.live.observer = null;
    this.recorder = null;
    const info = await recorder.finish();
    this.options.events.changed();
    return info;
  }

  /** The error that ended the recording, null while it is well. */
  get recordingError(): AppError | null {
    return this.recorder?.failure ?? null;
  }

  openSession(path: string): Promise<SessionInfo> {
    return this.loading('open a session', async () => {
      const source = await ReplaySource.open(path, () => this.binding);
      await this.closePlayer();
      this.player = new ReplayPlayer(source, {
        row: (row) => this.options.events.row(row, source.visible()),
        changed: () => this.options.events.changed(),
        sought: () => this.options.events.sourceChanged(),
      });
      this.options.events.sourceChanged();
      return source.info();
    });
  }

  async closeSession(): Promise<void> {
    this.machine.require('close a session', 'replay');
    await this.closePlayer();
    this.options.events.sourceChanged();
    this.machine.to(this.rest());
  }

  replay(action: string): ReplayPlayer {
    if (this.player) return this.player;
    throw new AppError({
      code: 'wrong-state',
      message: `Cannot ${action}: no session is open.`,
      remedy: 'Open a session first.',
    });
  }

  /** Notes and bookmarks of the recording that goes on, else of the open session. */
  async annotate(change: {
    notes?: string | undefined;
    bookmark?: { batch: number; text: string } | undefined;
  }): Promise<void> {
    if (this.recorder?.active) await this.recorder.annotate(change);
    else await this.replay('annotate').source.annotate(change);
    this.options.events.changed();
  }

  private async closePlayer(): Promise<void> {
    const { player } = this;
    this.player = null;
    await player?.dispose();
  }

  private async unload(): Promise<void> {
    const { live } = this;
    this.live = null;
    if (!live) return;
    await live.source.dispose();
    await live.source.runtime.dispose();
  }

  /** Ends a recording in order and frees everything. */
  async close(): Promise<void> {
    await this.pause();
    if (this.recorder) await this.stopRecording().catch(() => undefined);
    await this.closePlayer();
    await this.unload();
    await this.checkpoint?.close();
    this.checkpoint = null;
  }
}

function cancelled(message: string): AppError {
  return new AppError({ code: 'cancelled', message });
}

function defined<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Partial<T>;
}
