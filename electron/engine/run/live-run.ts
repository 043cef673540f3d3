/**
 * Runs batches one after the other: run, pause, step, at a limited rate, with threshold and workload that may change at
 * any moment and take effect on the next batch. Never blocks: every batch awaits native work and then gives the loop away.
 */
import type { BatchRow } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { Decision, Threshold } from '../../contract/layer';
import type { Workload } from '../../contract/session';
import type { CancelFlag, RunResult } from '../native/binding';
import { type BatchInput, generateBatch } from '../workload/generate';
import { tokensOf } from '../workload/tokens';
import type { LiveSource } from './live-source';
import type { RunMachine } from './machine';
import { outputOf } from './rerun-path';
import { tapNames, timesOf, totalMicroseconds } from './runtime';
import type { PathTimes, RunPath } from './source';

/** A batch that has run, as a recorder wants it. */
export interface CompletedBatch {
  row: BatchRow;
  input: BatchInput;
  decision: Decision;
  times: PathTimes[];
  /** y, and taps where they were asked for, of every path that ran */
  results: { path: RunPath; tensors: RunResult['tensors'] }[];
}

/** Told of everything in order; the run waits for each call, so that what is recorded is on disk before the next step. */
export interface RunObserver {
  readonly taps: boolean;
  intent(input: BatchInput, decision: Decision, time: number): Promise<void>;
  completed(batch: CompletedBatch): Promise<void>;
  failed(row: BatchRow, input: BatchInput, decision: Decision): Promise<void>;
  threshold(threshold: Threshold, from: number): Promise<void>;
  workload(workload: Workload, from: number): Promise<void>;
}

export interface LiveRunEvents {
  row(row: BatchRow): void;
  /** an error that ended the run */
  failure(error: AppError): void;
  changed(): void;
}

const yieldToLoop = () => new Promise<void>((resolve) => setImmediate(resolve));

export class LiveRun {
  readonly source: LiveSource;
  observer: RunObserver | null = null;
  private readonly machine: RunMachine;
  private readonly events: LiveRunEvents;
  private current: Workload;
  private pendingThreshold: Threshold | null = null;
  private stopAt = 0;
  private loop: Promise<void> | null = null;
  private batch: Promise<BatchRow> | null = null;
  private wake: (() => void) | null = null;
  private stepping: CancelFlag | null = null;
  private readonly started = Date.now();

  constructor(source: LiveSource, workload: Workload, machine: RunMachine, events: LiveRunEvents) {
    this.source = source;
    this.current = workload;
    this.machine = machine;
    this.events = events;
  }

  get workload(): Workload {
    return this.current;
  }
  /** The threshold that the next batch will see. */
  get threshold(): Threshold {
    return this.pendingThreshold ?? this.source.runtime.threshold;
  }

  start(): void {
    this.machine.require('start a run', 'ready', 'paused');
    this.stopAt = this.current.batches > 0 ? this.source.table.length + this.current.batches : Number.POSITIVE_INFINITY;
    this.machine.to('running');
    this.loop = this.runLoop().finally(() => {
      this.loop = null;
    });
  }

  /** Ends the run after the batch that is under way. */
  async pause(): Promise<void> {
    const { loop } = this;
    if (this.machine.state === 'running') this.machine.to('paused');
    this.wake?.();
    await loop;
    // The batch that was under way is in the table and in the recording only now.
    if (loop) this.events.changed();
  }

  /** Resolves when a run with a batch limit has ended, or was paused. */
  async finished(): Promise<void> {
    await this.loop;
  }

  /** Resolves when the batch under way has ended; the next one starts in a later turn of the loop. */
  async betweenBatches(): Promise<void> {
    await this.batch?.catch(() => undefined);
  }

  /** Runs one batch and stays paused. Throws `cancelled` when `cancel` was set; the batch then leaves no row. */
  async step(tokens: number | undefined, cancel?: CancelFlag): Promise<BatchRow> {
    this.machine.require('step', 'ready', 'paused');
    if (this.stepping)
      throw new AppError({
        code: 'busy',
        message: 'The last step is still running.',
        remedy: 'Wait for it, or cancel it.',
      });
    this.stepping = cancel ?? { cancel: () => undefined };
    try {
      await this.applyPending();
      this.batch = this.runBatch(tokens, cancel);
      const row = await this.batch;
      this.machine.to('paused');
      return row;
    } finally {
      this.stepping = null;
    }
  }

  /** From the next batch on; checked now, so that a threshold the provider cannot serve is refused at once. */
  async setThreshold(threshold: Threshold): Promise<void> {
    if (this.machine.state === 'running') {
      this.source.runtime.checkThreshold(threshold);
      this.pendingThreshold = threshold;
      return;
    }
    this.pendingThreshold = threshold;
    await this.applyPending();
  }

  async setWorkload(change: Partial<Workload>): Promise<Workload> {
    this.current = { ...this.current, ...change };
    if (this.current.kind === 'sequence' && this.current.tokens.length === 0) {
      throw new AppError({
        code: 'bad-option',
        message: 'A workload of kind "sequence" needs at least one token count.',
        subject: 'tokens',
        expected: 'a list of token counts',
        found: 'an empty list',
      });
    }
    this.source.setWorkload(this.current);
    await this.observer?.workload(this.current, this.source.table.length);
    this.wake?.();
    return this.current;
  }

  private async applyPending(): Promise<void> {
    const next = this.pendingThreshold;
    if (!next) return;
    this.pendingThreshold = null;
    await this.source.runtime.setThreshold(next);
    this.source.setThreshold(next);
    await this.observer?.threshold(next, this.source.table.length);
    this.events.changed();
  }

  private async runLoop(): Promise<void> {
    let due = Date.now();
    try {
      while (this.machine.state === 'running' && this.source.table.length < this.stopAt) {
        await this.applyPending();
        this.batch = this.runBatch(undefined);
        const row = await this.batch;
        if (row.error) throw new AppError(row.error);
        const { rate } = this.current;
        due = rate > 0 ? Math.max(due + 1000 / rate, Date.now() - 1000 / rate) : Date.now();
        await this.sleepUntil(due);
      }
      if (this.machine.state === 'running') this.machine.to('paused');
    } catch (thrown) {
      const error = AppError.from(thrown);
      if (this.machine.state === 'running') this.machine.to(error.code === 'device-lost' ? 'failed' : 'paused');
      this.events.failure(error);
    }
  }

  private async sleepUntil(due: number): Promise<void> {
    const wait = due - Date.now();
    if (wait <= 0 || this.machine.state !== 'running') {
      await yieldToLoop();
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = null;
  }

  private async runBatch(override: number | undefined, cancel?: CancelFlag): Promise<BatchRow> {
    const { runtime, table } = this.source;
    const index = table.length;
    const workload = this.current;
    const tokens = override ?? tokensOf(workload, index);
    const input = await generateBatch(runtime.binding, runtime.router, workload, index, tokens);
    const decision = runtime.decide(tokens, 'auto');
    const time = Date.now() - this.started;
    const stats = runtime.binding.routingStats(input.topkIds, runtime.shape.experts, Math.max(1, decision.tileM));
    const row: BatchRow = {
      index,
      time,
      tokens,
      routedPairs: tokens * runtime.shape.topK,
      uniqueExperts: stats.unique,
      maxRowsPerExpert: stats.maxRows,
      phase: input.phase,
      path: decision.path,
      kernel: decision.kernel,
      threshold: runtime.threshold.tokens,
      microseconds: 0,
      otherMicroseconds: null,
      nrmse: null,
      cosine: null,
      error: null,
    };
    await this.observer?.intent(input, decision, time);
    try {
      const completed = await this.measure(row, input, decision, workload, cancel);
      this.source.append(completed.row, stats.rowsPerExpert, decision.tileM);
      this.source.rememberTimes(index, completed.times);
      this.events.row(completed.row);
      await this.observer?.completed(completed);
      return completed.row;
    } catch (thrown) {
      const error = AppError.from(thrown);
      if (error.code === 'cancelled') throw error;
      const failed = { ...row, error: error.toData() };
      if (table.length === index) {
        this.source.append(failed, stats.rowsPerExpert, decision.tileM);
        this.events.row(failed);
        await this.observer?.failed(failed, input, decision);
      }
      return failed;
    }
  }

  private async measure(
    row: BatchRow,
    input: BatchInput,
    decision: Decision,
    workload: Workload,
    cancel?: CancelFlag,
  ): Promise<CompletedBatch> {
    const { runtime } = this.source;
    const taps = this.observer?.taps ? tapNames : [];
    const { result: main } = await runtime.run(input, 'auto', taps, cancel);
    const times: PathTimes[] = [timesOf(decision, main)];
    const results: CompletedBatch['results'] = [];
    if (decision.path !== 'reference') results.push({ path: decision.path, tensors: main.tensors });
    const done: BatchRow = { ...row, microseconds: totalMicroseconds(main.stages) };
    const compare = workload.compareEvery > 0 && row.index % workload.compareEvery === 0 && runtime.hybrid;
    if (compare && decision.path !== 'reference') {
      const otherPath: RunPath = decision.path === 'b12x' ? 'cutlass' : 'b12x';
      const { decision: forced, result: other } = await runtime.run(input, otherPath, taps, cancel);
      times.push(timesOf(forced, other));
      results.push({ path: otherPath, tensors: other.tensors });
      // b12x against CUTLASS, whichever was decided: the rule of contract/batch.ts.
      const [a, b] = decision.path === 'b12x' ? ([main, other] as const) : ([other, main] as const);
      const { nrmse, cosine } = await runtime.binding.compare(outputOf(a.tensors), outputOf(b.tensors), {
        rtol: 0,
        atol: 0,
        worst: 0,
      });
      done.otherMicroseconds = totalMicroseconds(other.stages);
      done.nrmse = nrmse;
      done.cosine = cosine;
    }
    return { row: done, input, decision, times, results };
  }
}
