/**
 * Writes what a run does into a `.moesession` folder. Order is everything: input blob, `intent`, launch, answer blobs,
 * `result`; so whatever is on disk is whole, and a launch that killed the process leaves its input. A write that fails ends
 * the recording, never the run.
 */
import { hostname } from 'node:os';
import type { BatchRow, Side } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import type { CheckpointSummary, Decision, Threshold } from '../../contract/layer';
import { SESSION_FORMAT, type SessionInfo, type Workload } from '../../contract/session';
import type { CompletedBatch, RunObserver } from '../run/live-run';
import type { LiveSource } from '../run/live-source';
import { describeProvenance } from '../run/runtime';
import { isUnavailable, type RunPath } from '../run/source';
import { logicalShape } from '../tensors/logical-shape';
import type { BatchInput } from '../workload/generate';
import { BlobStore, storedArray, storedNative } from './blob-store';
import { EventLog, type EventLogOptions } from './event-log';
import { eventFile } from './files';
import { infoOf } from './info';
import { layerHash } from './layer-hash';
import { type Manifest, writeManifest } from './manifest';
import type { AnswerRecord } from './records';
import { makeSessionFolder } from './session-folder';

export interface RecorderOptions {
  tool: string;
  source: LiveSource;
  checkpoint: CheckpointSummary;
  workload: Workload;
  /** every stage of both paths and of the reference, for every batch */
  taps: boolean;
  /** the layer's weights too, so that a re-run needs no checkpoint */
  weights: boolean;
  notes: string;
  onFailure: (error: AppError) => void;
  log?: EventLogOptions;
}

/** SessionInfo says when and by what a session was made; sizes are filled in when it ends. */
export class Recorder implements RunObserver {
  readonly path: string;
  readonly taps: boolean;
  failure: AppError | null = null;
  batches = 0;
  /** index in the run of the recording's first batch */
  private firstRecorded: number | null = null;
  private readonly options: RecorderOptions;
  private readonly log: EventLog;
  private readonly blobs: BlobStore;
  private manifest: Manifest;
  /** live index of the batch whose intent was written, and its number in this recording */
  private launched: number | null = null;
  private readonly explained = new Set<string>();
  private finished = false;

  private constructor(path: string, options: RecorderOptions, log: EventLog, blobs: BlobStore, manifest: Manifest) {
    this.path = path;
    this.options = options;
    this.taps = options.taps;
    this.log = log;
    this.blobs = blobs;
    this.manifest = manifest;
  }

  /**
   * Makes the folder and writes everything that does not change: environment and scale tensors of the layer.
   * Throws `bad-option` for a name without `.moesession` or a folder that exists, `disk-full`, `file-unreadable`.
   */
  static async create(path: string, options: RecorderOptions): Promise<Recorder> {
    await makeSessionFolder(path);
    const { runtime } = options.source;
    const blobs = new BlobStore(path);
    await blobs.open();
    const manifest: Manifest = {
      format: SESSION_FORMAT,
      tool: options.tool,
      createdAt: new Date().toISOString(),
      recordedBy: { pid: process.pid, host: hostname() },
      device: runtime.device,
      clocks: 'as the system had them; MoEscope sets none',
      contract: options.source.contract,
      threshold: runtime.threshold,
      checkpoint: options.checkpoint,
      layer: runtime.summary,
      batches: 0,
      blobs: 0,
      blobBytes: 0,
      eventBytes: 0,
      taps: options.taps,
      notes: options.notes,
      bookmarks: [],
      lost: [],
    };
    await writeManifest(path, manifest);
    const log = await EventLog.create(eventFile(path), options.tool, options.log);
    const recorder = new Recorder(path, options, log, blobs, manifest);
    await recorder.writeLayer();
    return recorder;
  }

  get active(): boolean {
    return !this.finished && this.failure === null;
  }
  /** Bytes on disk so far. */
  get bytes(): number {
    return this.log.bytes + this.blobs.bytes;
  }

  private async writeLayer(): Promise<void> {
    const { source, checkpoint, workload, weights } = this.options;
    const { runtime } = source;
    await this.log.append('environment', {
      device: runtime.device,
      checkpoint,
      layer: runtime.summary,
      contract: source.contract,
      rules: runtime.options.rulesId,
      threshold: runtime.threshold,
      workload,
      provenance: describeProvenance(runtime.device),
      layerHash: await layerHash(runtime.prepared),
      swiglu: { alpha: runtime.loaded.plan.swigluAlpha, limit: runtime.loaded.plan.swigluLimit },
    });
    const all = await source.layerTensors();
    // Views share the storage of the parameters beside them; weights are large and needed for a re-run only.
    const kept = all.filter(
      ({ role, set, tensor }) =>
        tensor.info().layout !== 'mma6d' && (role !== 'weight' || (weights && set === 'checkpoint')),
    );
    const blob = await this.blobs.put(
      kept.map(({ set, name, tensor }) => {
        const { rows, columns } = logicalShape(tensor.info(), source.shape);
        const swizzled = tensor.info().layout === 'sf128x4';
        return storedNative(`${set}/${name}`, tensor, swizzled ? [rows, columns] : undefined);
      }),
    );
    await this.log.append('layer-tensors', {
      blob,
      tensors: kept.map(({ set, name, role, note }) => ({ set, name, role, note })),
    });
  }

  intent(input: BatchInput, decision: Decision, time: number): Promise<void> {
    return this.guard(async () => {
      const { hidden, topK } = this.options.source.shape;
      const { tokens } = input;
      const blob = await this.blobs.put([
        storedArray('x', 'BF16', [tokens, hidden], input.x),
        storedArray('topk_ids', 'I32', [tokens, topK], input.topkIds),
        storedArray('topk_weights', 'F32', [tokens, topK], input.topkWeights),
      ]);
      await this.log.append('intent', { batch: this.batches, tokens, time, input: blob, decision });
      this.launched = input.index;
    });
  }

  completed(batch: CompletedBatch): Promise<void> {
    return this.guard(async () => {
      if (this.launched !== batch.row.index) return;
      const { source } = this.options;
      const answers: AnswerRecord[] = [];
      const provenance = describeProvenance(source.runtime.device);
      for (const { path, tensors } of batch.results) {
        answers.push({
          side: path,
          as: path,
          provenance,
          blob: await this.blobs.put(Object.entries(tensors).map(([name, tensor]) => storedNative(name, tensor))),
        });
      }
      if (this.taps)
        for (const { path } of batch.results) answers.push(...(await this.reference(batch.row.index, path)));
      await this.log.append('result', {
        batch: this.batches,
        row: { ...batch.row, index: this.batches },
        times: batch.times,
        answers,
      });
      await this.counterfactuals(batch.row);
      this.firstRecorded ??= batch.row.index;
      this.batches++;
    });
  }

  private async reference(index: number, as: RunPath): Promise<AnswerRecord[]> {
    const side: Side = 'reference';
    const answer = await this.options.source.answer(index, side, as, true);
    if (isUnavailable(answer)) return [];
    const tensors = Object.entries(answer.tensors).map(([name, tensor]) => storedNative(name, tensor));
    return [{ side, as, provenance: answer.provenance, blob: await this.blobs.put(tensors) }];
  }

  /** They cost five runs: measured for the first compared batch of each kernel, and for all when taps are recorded. */
  private async counterfactuals(row: BatchRow): Promise<void> {
    if (row.nrmse === null || (!this.taps && this.explained.has(row.kernel))) return;
    this.explained.add(row.kernel);
    const found = await this.options.source.counterfactuals(row.index);
    if (isUnavailable(found)) return;
    await this.log.append('explanation', { batch: this.batches, ...found });
  }

  failed(row: BatchRow, input: BatchInput): Promise<void> {
    return this.guard(async () => {
      if (this.launched !== input.index) return;
      await this.log.append('result', {
        batch: this.batches,
        row: { ...row, index: this.batches },
        times: [],
        answers: [],
      });
      this.firstRecorded ??= row.index;
      this.batches++;
    });
  }

  threshold(threshold: Threshold): Promise<void> {
    return this.guard(() => this.log.append('threshold', { from: this.batches, threshold }));
  }

  workload(workload: Workload): Promise<void> {
    return this.guard(() => this.log.append('workload', { from: this.batches, workload }));
  }

  async annotate(change: {
    notes?: string | undefined;
    bookmark?: { batch: number; text: string } | undefined;
  }): Promise<void> {
    const { notes } = change;
    const bookmark = change.bookmark && { ...change.bookmark, batch: this.recordedIndex(change.bookmark.batch) };
    this.manifest = {
      ...this.manifest,
      ...(notes !== undefined && { notes }),
      ...(bookmark && { bookmarks: [...this.manifest.bookmarks, { ...bookmark, at: new Date().toISOString() }] }),
    };
    await this.guard(() => writeManifest(this.path, this.manifest));
  }

  /** A recording numbers its batches from 0. Throws `bad-option` for a batch of the run that is not in it. */
  private recordedIndex(batch: number): number {
    const index = batch - (this.firstRecorded ?? 0);
    if (this.firstRecorded !== null && index >= 0 && index < this.batches) return index;
    const last = this.firstRecorded === null ? -1 : this.firstRecorded + this.batches - 1;
    throw new AppError({
      code: 'bad-option',
      message: `Batch ${batch} is not in the recording.`,
      subject: 'bookmark',
      expected: last < 0 ? 'no batch has been recorded yet' : `${this.firstRecorded} to ${last}`,
      found: String(batch),
    });
  }

  /** Ends the recording. Throws the error that had ended it before; its folder can be opened all the same. */
  async finish(): Promise<SessionInfo> {
    this.finished = true;
    await this.log.finish().catch((thrown) => {
      this.failure ??= AppError.from(thrown);
    });
    if (this.failure) throw this.failure;
    this.manifest = {
      ...this.manifest,
      recordedBy: null,
      batches: this.batches,
      blobs: this.blobs.count,
      blobBytes: this.blobs.bytes,
      eventBytes: this.log.bytes,
    };
    await writeManifest(this.path, this.manifest);
    return infoOf(this.path, this.manifest, { complete: true, message: 'complete', lost: [] });
  }

  /** Runs a step of the recording; the first failure ends it and is told once. */
  private async guard(step: () => Promise<void>): Promise<void> {
    if (!this.active) return;
    try {
      await step();
    } catch (thrown) {
      this.failure = AppError.from(thrown);
      await this.log.finish().catch(() => undefined);
      this.options.onFailure(this.failure);
    }
  }
}
