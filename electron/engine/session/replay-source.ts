/** A recorded session as a source: columns in memory, everything else read from the folder when somebody looks. */
import { stat } from 'node:fs/promises';
import type { Side } from '../../contract/batch';
import type { SideHistory } from '../../contract/element';
import { AppError } from '../../contract/errors';
import type { Decision, Threshold } from '../../contract/layer';
import type { SessionInfo } from '../../contract/session';
import { fileError } from '../checkpoint/file-errors';
import { listRules, loadRules } from '../dispatch/rules';
import type { CancelFlag, NativeBinding, TaskOptions } from '../native/binding';
import type { HistoryPlace } from '../native/history-binding';
import type { LoadHistory } from '../native/routing-binding';
import type { BatchColumns } from '../run/columns';
import type {
  Answer,
  Counterfactuals,
  LoadProgress,
  ModelLayer,
  PathTimes,
  Rerun,
  RunPath,
  Source,
  SourceTensor,
  Unavailable,
} from '../run/source';
import type { BatchInput } from '../workload/generate';
import { BlobReader } from './blob-reader';
import { EventFile, parseEvent, topicOf } from './event-file';
import { eventFile } from './files';
import { infoOf } from './info';
import { type Manifest, readManifest, writeManifest } from './manifest';
import { LayerAgain, recordedHistory } from './recorded-history';
import { hasWeights } from './recorded-layer';
import { RecordedLoad, type RecordedRouting } from './recorded-load';
import type { Blob, Environment, Intent, LayerTensors, RecordOf, Result, topics } from './records';
import { recoverSession } from './recover';
import { openRecordedLayer } from './rerun';
import { type Places, type Scan, scanEvents } from './scan-events';

const runsNothing: Unavailable = {
  reason: 'A recorded session runs nothing; use `moescope replay --rerun`, or load the layer.',
};

/** Events parsed lately: a panel asks for the same batch several times. */
const keptEvents = 64;

export class ReplaySource implements Source {
  readonly kind = 'replay';
  readonly path: string;
  readonly table: BatchColumns;
  readonly environment: Environment;
  position: number;
  private readonly binding: () => NativeBinding;
  private readonly file: EventFile;
  private readonly blobs: BlobReader;
  private readonly history: RecordedLoad;
  private readonly places: Places[];
  private readonly layer: LayerTensors | null;
  private readonly thresholds: RecordOf<'threshold'>[];
  private readonly integrity: SessionInfo['integrity'];
  private manifest: Manifest;
  private readonly parsed = new Map<number, unknown>();
  private readonly layerAgain = new LayerAgain(() => this.openLayer(new AbortController().signal, {}));

  private constructor(path: string, binding: () => NativeBinding, file: EventFile, manifest: Manifest, scan: Scan) {
    this.path = path;
    this.binding = binding;
    this.file = file;
    this.manifest = manifest;
    this.blobs = new BlobReader(path, binding);
    this.environment = scan.environment;
    this.table = scan.table;
    this.places = scan.places;
    this.layer = scan.layer;
    this.thresholds = scan.thresholds;
    this.position = this.table.length - 1;
    this.history = new RecordedLoad(binding, scan.environment.layer.shape, (batch) => this.routing(batch));
    const lost = [...manifest.lost, ...scan.lost];
    this.integrity = {
      complete: lost.length === 0,
      message: lost.length === 0 ? 'complete' : `not complete: ${lost.length} losses`,
      lost,
    };
  }

  /**
   * Opens a session, recovering it first where its recording did not end in order.
   * Throws `file-not-found`, `session-newer`, `session-damaged`, `session-incomplete`, `busy` while it is being recorded.
   */
  static async open(path: string, binding: () => NativeBinding): Promise<ReplaySource> {
    const before = await readManifest(path);
    await recoverSession(path, before, before.tool);
    const manifest = await readManifest(path);
    const file = await EventFile.open(eventFile(path));
    if (!file)
      throw new AppError({
        code: 'session-damaged',
        message: `${eventFile(path)} has no index after recovery.`,
        subject: path,
      });
    try {
      const scan = await scanEvents(path, file);
      return new ReplaySource(path, binding, file, manifest, scan);
    } catch (thrown) {
      await file.close();
      throw fileError(thrown, path);
    }
  }

  get shape() {
    return this.environment.layer.shape;
  }
  get contract() {
    return this.environment.contract;
  }
  get activationScales() {
    return { a1: this.environment.layer.a1, a2: this.environment.layer.a2 };
  }

  info(): SessionInfo {
    return { ...infoOf(this.path, this.manifest, this.integrity), batches: this.table.length };
  }

  visible(): number {
    return this.position + 1;
  }
  setPosition(batch: number): void {
    this.position = Math.max(-1, Math.min(batch, this.table.length - 1));
  }

  /** The threshold in force at the position. */
  threshold(): Threshold {
    let current = this.environment.threshold;
    for (const change of this.thresholds) if (change.from <= this.position) current = change.threshold;
    return current;
  }

  async decision(index: number): Promise<Decision> {
    return (await this.intent(index)).decision;
  }

  async times(index: number): Promise<PathTimes[]> {
    return (await this.result(index)).times;
  }

  async input(index: number): Promise<BatchInput | Unavailable> {
    const intent = await this.intent(index);
    const damage = await this.blobs.check(intent.input);
    if (damage !== '') return { reason: damage };
    const { x, topk_ids, topk_weights } = await this.blobs.tensors(intent.input);
    if (!x || !topk_ids || !topk_weights) return { reason: `The input of batch ${index} lacks a tensor.` };
    const bytesOf = (tensor: NonNullable<typeof x>) => tensor.read(0, tensor.info().bytes).slice().buffer;
    const row = this.table.row(index);
    return {
      index,
      tokens: intent.tokens,
      phase: row.phase,
      x: new Uint16Array(bytesOf(x)),
      topkIds: new Int32Array(bytesOf(topk_ids)),
      topkWeights: new Float32Array(bytesOf(topk_weights)),
    };
  }

  available(index: number): Side[] {
    const row = this.table.row(index);
    const sides: Side[] = row.error ? [] : [row.path];
    if (row.nrmse !== null) sides.push(row.path === 'b12x' ? 'cutlass' : 'b12x');
    if (this.manifest.taps && !row.error) sides.push('reference');
    return sides;
  }

  async answer(index: number, side: Side, as: RunPath): Promise<Answer | Unavailable> {
    const { answers } = await this.result(index);
    const found = answers.find((answer) => answer.side === side && answer.as === as);
    if (!found) return { reason: `The recording holds no ${side} answer for batch ${index}.` };
    const damage = await this.blobs.check(found.blob);
    if (damage !== '') return { reason: damage };
    return {
      side,
      path: as,
      tensors: await this.blobs.tensors(found.blob),
      provenance: `recorded: ${found.provenance}`,
    };
  }

  async rerun(): Promise<Rerun | Unavailable> {
    return runsNothing;
  }

  async repeat(): Promise<Unavailable> {
    return runsNothing;
  }
  async resumNoise(): Promise<Unavailable> {
    return runsNothing;
  }

  async elementHistory(
    batch: number,
    side: Side,
    as: RunPath,
    place: HistoryPlace,
    cancel?: CancelFlag,
  ): Promise<SideHistory | Unavailable> {
    const reason = await this.whyNoLayer();
    return reason === '' ? recordedHistory(this, this.layerAgain, { batch, side, as, place }, cancel) : { reason };
  }

  whyNot(): string {
    return runsNothing.reason;
  }

  async whyNoModel(): Promise<string> {
    const { hybrid } = this.environment.layer;
    return hybrid.possible ? this.whyNoLayer() : hybrid.reason;
  }

  private async whyNoLayer(): Promise<string> {
    const { checkpoint, rules } = this.environment;
    if (!listRules().some(({ id }) => id === rules)) return `The dispatch rules ${rules} are not in this build.`;
    if (hasWeights(this.layer)) return '';
    const there = await stat(checkpoint.path).catch(() => null);
    if (there) return '';
    return `The recording holds no weights, and its checkpoint ${checkpoint.path} is not on this machine. Bring it there, or record with --weights.`;
  }

  async modelLayer(task: TaskOptions, signal: AbortSignal): Promise<ModelLayer> {
    const reason = await this.whyNoModel();
    if (reason !== '') throw new AppError({ code: 'unsupported', message: reason, subject: this.path });
    const { runtime, from, close } = await this.openLayer(signal, task);
    return {
      checkpoint: runtime.checkpoint,
      decide: (tokens, force) => runtime.decide(tokens, force),
      from,
      close,
    };
  }

  /** On our provider whatever was recorded: models take the weights alone, and it is the one that shows histories. */
  private openLayer(signal: AbortSignal, task: TaskOptions) {
    const rules = loadRules(this.environment.rules, {});
    return openRecordedLayer(this, { binding: this.binding(), rules, provider: 'cpu', signal, task });
  }

  async mergeFacts(): Promise<null> {
    return null;
  }

  async counterfactuals(index: number): Promise<Counterfactuals | Unavailable> {
    const place = this.places[index]?.explanation ?? -1;
    if (place < 0) return { reason: 'No causes were measured for this batch when it was recorded.' };
    const { causes, floor } = await this.read(place, 'explanation');
    return { causes, floor };
  }

  async layerTensors(): Promise<SourceTensor[]> {
    if (!this.layer) return [];
    const native = await this.blobs.tensors(this.layer.blob);
    return this.layer.tensors.flatMap(({ set, name, role, note }) => {
      const tensor = native[`${set}/${name}`];
      return tensor ? [{ set, name, role, note, tensor }] : [];
    });
  }

  load(count: number, progress: LoadProgress): Promise<LoadHistory> {
    return this.history.upTo(count, progress);
  }

  private async routing(batch: number): Promise<RecordedRouting> {
    const { input, decision } = await this.intent(batch);
    const { topk_ids } = await this.blobs.tensors(input);
    if (!topk_ids)
      throw new AppError({ code: 'session-incomplete', message: `The input of batch ${batch} lacks its routing.` });
    const bytes = topk_ids.read(0, topk_ids.info().bytes).slice();
    return { topkIds: new Int32Array(bytes.buffer), tileM: decision.tileM };
  }

  provenance(): string {
    return `recorded ${this.manifest.createdAt}: ${this.environment.provenance}`;
  }

  memoryBytes(): number {
    return this.table.bytes + this.history.bytes + this.layerAgain.bytes;
  }

  async annotate(change: {
    notes?: string | undefined;
    bookmark?: { batch: number; text: string } | undefined;
  }): Promise<void> {
    const { notes, bookmark } = change;
    this.manifest = {
      ...this.manifest,
      ...(notes !== undefined && { notes }),
      ...(bookmark && { bookmarks: [...this.manifest.bookmarks, { ...bookmark, at: new Date().toISOString() }] }),
    };
    await writeManifest(this.path, this.manifest);
  }

  async dispose(): Promise<void> {
    await this.layerAgain.dispose();
    this.blobs.close();
    await this.file.close();
  }

  /** Every blob that is missing or whose bytes do not fit its hash, one sentence each. Reads them all. */
  async verifyBlobs(): Promise<string[]> {
    const damaged = new Set<string>();
    const check = async (blob: Blob) => {
      const damage = await this.blobs.check(blob);
      if (damage !== '') damaged.add(damage);
    };
    if (this.layer) await check(this.layer.blob);
    for (let index = 0; index < this.table.length; index++) {
      await check((await this.intent(index)).input);
      for (const { blob } of (await this.result(index)).answers) await check(blob);
    }
    return [...damaged];
  }

  /** The layer's tensors as recorded, null where the recording has none; `located` says where they lie in their blob. */
  get recordedLayer(): LayerTensors | null {
    return this.layer;
  }
  located(blob: Blob) {
    return this.blobs.located(blob);
  }
  tensorsOf(blob: Blob) {
    return this.blobs.tensors(blob);
  }

  intent(index: number): Promise<Intent> {
    return this.read(this.places[index]?.intent ?? -1, 'intent');
  }
  result(index: number): Promise<Result> {
    return this.read(this.places[index]?.result ?? -1, 'result');
  }

  private async read<T extends keyof typeof topics>(chunk: number, topic: T): Promise<RecordOf<T>> {
    const known = this.parsed.get(chunk);
    if (known !== undefined) return known as RecordOf<T>;
    if (chunk < 0)
      throw new AppError({
        code: 'session-incomplete',
        message: `The session has no ${topic} of this batch.`,
        subject: topic,
      });
    const event = (await this.file.chunk(chunk)).find((candidate) => topicOf(candidate) === topic);
    if (!event)
      throw new AppError({
        code: 'session-damaged',
        message: `The index of the session does not fit its events.`,
        subject: topic,
      });
    const record = parseEvent(topic, event);
    this.parsed.set(chunk, record);
    if (this.parsed.size > keptEvents) this.parsed.delete(this.parsed.keys().next().value as number);
    return record;
  }
}
