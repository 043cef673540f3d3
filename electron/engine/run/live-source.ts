/** Batches of a layer that is loaded: columns kept, everything else made again from the seed when somebody looks. */

import type { BatchRow, Side } from '../../contract/batch';
import type { SideHistory } from '../../contract/element';
import type { Decision, Threshold } from '../../contract/layer';
import type { Workload } from '../../contract/session';
import { CausesContext, measureCauses } from '../analysis/causes';
import { sideHistory } from '../analysis/history';
import type { MergeFacts } from '../hazards/facts';
import type { CancelFlag, TaskOptions } from '../native/binding';
import type { HistoryPlace, ResumNoise, ResumOptions } from '../native/history-binding';
import type { LoadHistory } from '../native/routing-binding';
import { layerTensor, setOfParameter } from '../tensors/layer-tensors';
import { type BatchInput, generateBatch } from '../workload/generate';
import { AnswerCache } from './answer-cache';
import { BatchColumns } from './columns';
import { describeProvenance, type LayerRuntime, tapNames, timesOf, totalMicroseconds } from './runtime';
import {
  type Answer,
  type Counterfactuals,
  type ModelLayer,
  orReason,
  type PathTimes,
  type Rerun,
  type RunPath,
  type Source,
  type SourceTensor,
  type Unavailable,
} from './source';

/** What was in force from batch `from` on. */
interface Segment<T> {
  from: number;
  value: T;
}

function inForce<T>(segments: readonly Segment<T>[], index: number): T {
  let found = segments[0] as Segment<T>;
  for (const segment of segments) {
    if (segment.from > index) break;
    found = segment;
  }
  return found.value;
}

const answerCacheBytes = 256 * 1024 * 1024;
/** Stage times are kept for so many of the newest batches; older ones are measured again when opened. */
const timesKept = 4096;

export class LiveSource implements Source {
  readonly kind = 'live';
  readonly table: BatchColumns;
  readonly runtime: LayerRuntime;
  private readonly workloads: Segment<Workload>[] = [];
  private readonly thresholds: Segment<Threshold>[] = [];
  private readonly keptTimes = new Map<number, PathTimes[]>();
  private readonly cache = new AnswerCache(answerCacheBytes);
  private readonly causes: CausesContext;
  private readonly history: LoadHistory;
  private lastInput: BatchInput | null = null;

  constructor(runtime: LayerRuntime, workload: Workload) {
    this.runtime = runtime;
    this.table = new BatchColumns(runtime.shape.topK);
    this.history = runtime.binding.createLoadHistory(runtime.shape.experts, runtime.shape.topK);
    this.causes = new CausesContext({
      binding: runtime.binding,
      provider: runtime.provider,
      checkpoint: runtime.checkpoint,
      contract: runtime.summary.contract,
      decide: (tokens, force) => runtime.decide(tokens, force),
    });
    this.setWorkload(workload);
    this.setThreshold(runtime.threshold);
  }

  get shape() {
    return this.runtime.shape;
  }
  get contract() {
    return this.runtime.summary.contract;
  }
  get activationScales() {
    return { a1: this.runtime.summary.a1, a2: this.runtime.summary.a2 };
  }

  /** In force from the next batch on. */
  setWorkload(workload: Workload): void {
    pushSegment(this.workloads, this.table.length, workload);
  }
  setThreshold(threshold: Threshold): void {
    pushSegment(this.thresholds, this.table.length, threshold);
  }

  /** Adds the next batch. @param tileM of its decision, 0 where the kernel has no row tiles */
  append(row: BatchRow, rowsPerExpert: Int32Array, tileM: number): void {
    this.table.append(row);
    this.history.append(rowsPerExpert, tileM);
  }

  async load(): Promise<LoadHistory> {
    return this.history;
  }

  rememberTimes(index: number, times: PathTimes[]): void {
    this.keptTimes.set(index, times);
    if (this.keptTimes.size > timesKept) this.keptTimes.delete(this.keptTimes.keys().next().value as number);
  }

  visible(): number {
    return this.table.length;
  }

  async decision(index: number): Promise<Decision> {
    return this.runtime.decide(this.table.tokens(index), 'auto', inForce(this.thresholds, index));
  }

  /** As measured when the batch ran; of a batch whose times are no longer kept, measured again now (`provenance` says so). */
  async times(index: number): Promise<PathTimes[]> {
    const kept = this.keptTimes.get(index);
    if (kept || this.table.failed(index)) return kept ?? [];
    const ran = this.table.path(index) === 'cutlass' ? 'cutlass' : 'b12x';
    const { decision, result } = await this.runtime.run(await this.input(index), ran, []);
    return [timesOf(decision, result)];
  }

  async input(index: number): Promise<BatchInput> {
    if (this.lastInput?.index === index) return this.lastInput;
    const workload = inForce(this.workloads, index);
    const input = await generateBatch(
      this.runtime.binding,
      this.runtime.router,
      workload,
      index,
      this.table.tokens(index),
    );
    this.lastInput = input;
    return input;
  }

  available(): Side[] {
    return this.runtime.hybrid ? ['b12x', 'cutlass', 'reference'] : ['b12x', 'reference'];
  }

  async answer(
    index: number,
    side: Side,
    as: RunPath,
    taps: boolean,
    cancel?: CancelFlag,
  ): Promise<Answer | Unavailable> {
    const reason = this.whyNot(as);
    if (reason !== '') return { reason };
    const key = `${index}/${side}/${as}/`;
    const cached = this.cache.get(`${key}taps`) ?? (taps ? undefined : this.cache.get(key));
    if (cached) return cached;
    const input = await this.input(index);
    const wanted = taps ? tapNames : [];
    const result =
      side === 'reference'
        ? await this.runtime.runReference(input, as, wanted, cancel)
        : (await this.runtime.run(input, as, wanted, cancel)).result;
    const answer: Answer = {
      side,
      path: as,
      tensors: result.tensors,
      provenance: side === 'reference' ? `reference (fp64) as ${as}` : describeProvenance(this.runtime.device),
    };
    this.cache.put(taps ? `${key}taps` : key, answer);
    return answer;
  }

  async rerun(index: number, path: RunPath, cancel?: CancelFlag): Promise<Rerun | Unavailable> {
    const reason = this.whyNot(path);
    if (reason !== '') return { reason };
    const { result } = await this.runtime.run(await this.input(index), path, [], cancel);
    return { tensors: result.tensors, microseconds: totalMicroseconds(result.stages) };
  }

  async repeat(index: number, path: RunPath, seed: number, cancel?: CancelFlag): Promise<Answer | Unavailable> {
    const reason = this.whyNot(path);
    if (reason !== '') return { reason };
    const { tensors } = await this.runtime.repeat(await this.input(index), path, seed, cancel);
    return { side: path, path, tensors, provenance: describeProvenance(this.runtime.device) };
  }

  async resumNoise(
    index: number,
    path: RunPath,
    options: ResumOptions,
    cancel?: CancelFlag,
  ): Promise<ResumNoise | Unavailable> {
    const reason = this.whyNot(path);
    if (reason !== '') return { reason };
    return orReason(this.runtime.resumNoise(await this.input(index), path, options, cancel));
  }

  async elementHistory(
    index: number,
    side: Side,
    as: RunPath,
    place: HistoryPlace,
    cancel?: CancelFlag,
  ): Promise<SideHistory | Unavailable> {
    const reason = this.whyNot(as);
    if (reason !== '') return { reason };
    return orReason(
      this.runtime.history(await this.input(index), side, as, place, cancel).then((run) => sideHistory(side, run)),
    );
  }

  whyNot(path: RunPath): string {
    if (path === 'b12x' || this.runtime.hybrid) return '';
    const { hybrid } = this.runtime.summary;
    return hybrid.possible
      ? 'The threshold is 0, so no CUTLASS scales were prepared. Set a threshold above 0.'
      : hybrid.reason;
  }

  async whyNoModel(): Promise<string> {
    const { hybrid } = this.runtime.summary;
    return hybrid.possible ? '' : hybrid.reason;
  }

  async modelLayer(): Promise<ModelLayer> {
    return {
      checkpoint: this.runtime.checkpoint,
      decide: (tokens, force) => this.runtime.decide(tokens, force),
      from: 'the loaded layer',
      close: async () => undefined,
    };
  }

  async mergeFacts(task: TaskOptions): Promise<MergeFacts | null> {
    return (await this.runtime.options.mergeFacts?.(task)) ?? null;
  }

  async counterfactuals(index: number, cancel?: CancelFlag): Promise<Counterfactuals | Unavailable> {
    const { hybrid } = this.runtime.summary;
    if (!hybrid.possible) return { reason: hybrid.reason };
    return measureCauses(this.causes, await this.input(index), cancel);
  }

  async layerTensors(): Promise<SourceTensor[]> {
    const { checkpoint, prepared } = this.runtime;
    return [
      ...checkpoint.tensors().map((tensor) => layerTensor('checkpoint', tensor)),
      ...prepared.tensors().map((tensor) => layerTensor(setOfParameter(tensor.info().name), tensor)),
      ...prepared.views().map((tensor) => layerTensor('b12x', tensor)),
    ];
  }

  provenance(index: number): string {
    const asRan = this.keptTimes.has(index) || this.table.failed(index);
    const again = asRan ? '' : '; stage times measured again when the batch was opened';
    return describeProvenance(this.runtime.device) + again;
  }

  memoryBytes(): number {
    const sets = this.runtime.summary.bytes;
    const layer = sets.fp4 + sets.b12xScales + sets.cutlassScales + sets.multipliers;
    return this.table.bytes + this.history.bytes + this.cache.bytes + layer;
  }

  async dispose(): Promise<void> {
    this.cache.clear();
    this.keptTimes.clear();
    await this.causes.dispose();
  }
}

function pushSegment<T>(segments: Segment<T>[], from: number, value: T): void {
  if (segments.length > 0 && (segments[segments.length - 1] as Segment<T>).from === from) segments.pop();
  segments.push({ from, value });
}
