/**
 * Every batch of a run in columns: pages of typed arrays, so that a million batches take about 60 MB, nothing is copied
 * when a run grows, and a row object exists only while somebody looks at it.
 */
import type { BatchRow } from '../../contract/batch';
import type { AppErrorData } from '../../contract/errors';
import { type Kernel, kernels, type Path, paths } from '../../contract/layer';
import { Summaries } from './summaries';

const pageRows = 8192;

interface Page {
  time: Float64Array;
  microseconds: Float64Array;
  otherMicroseconds: Float64Array; // NaN: the other path was not run
  nrmse: Float64Array; // NaN: not compared
  cosine: Float64Array;
  tokens: Int32Array;
  threshold: Int32Array;
  maxRows: Int32Array;
  uniqueExperts: Uint16Array;
  kernel: Uint8Array;
  path: Uint8Array;
  prefill: Uint8Array;
  failed: Uint8Array;
}

function newPage(): Page {
  return {
    time: new Float64Array(pageRows),
    microseconds: new Float64Array(pageRows),
    otherMicroseconds: new Float64Array(pageRows),
    nrmse: new Float64Array(pageRows),
    cosine: new Float64Array(pageRows),
    tokens: new Int32Array(pageRows),
    threshold: new Int32Array(pageRows),
    maxRows: new Int32Array(pageRows),
    uniqueExperts: new Uint16Array(pageRows),
    kernel: new Uint8Array(pageRows),
    path: new Uint8Array(pageRows),
    prefill: new Uint8Array(pageRows),
    failed: new Uint8Array(pageRows),
  };
}

const pageBytes = Object.values(newPage()).reduce((sum, column: ArrayBufferView) => sum + column.byteLength, 0);

type NumericColumn = Exclude<keyof Page, never>;

/** Append-only table of batches; `index` of a row is its position. */
export class BatchColumns {
  private readonly pages: Page[] = [];
  private readonly errors = new Map<number, AppErrorData>();
  readonly summaries = new Summaries();
  private readonly topK: number;
  length = 0;

  /** @param topK routed pairs of a row = tokens * topK */
  constructor(topK: number) {
    this.topK = topK;
  }

  /** Bytes held, pages counted whole. */
  get bytes(): number {
    return this.pages.length * pageBytes + this.summaries.bytes;
  }

  /** Adds a row at the end; its `index` must be the table's length. */
  append(row: BatchRow): void {
    const at = this.length % pageRows;
    if (at === 0 && this.pages.length * pageRows === this.length) this.pages.push(newPage());
    const page = this.pages[this.pages.length - 1] as Page;
    page.time[at] = row.time;
    page.microseconds[at] = row.microseconds;
    page.otherMicroseconds[at] = row.otherMicroseconds ?? Number.NaN;
    page.nrmse[at] = row.nrmse ?? Number.NaN;
    page.cosine[at] = row.cosine ?? Number.NaN;
    page.tokens[at] = row.tokens;
    page.threshold[at] = row.threshold;
    page.maxRows[at] = row.maxRowsPerExpert;
    page.uniqueExperts[at] = row.uniqueExperts;
    page.kernel[at] = kernels.indexOf(row.kernel);
    page.path[at] = paths.indexOf(row.path);
    page.prefill[at] = row.phase === 'prefill' ? 1 : 0;
    page.failed[at] = row.error ? 1 : 0;
    if (row.error) this.errors.set(this.length, row.error);
    this.summaries.add(this.length, this);
    this.length++;
  }

  private value(column: NumericColumn, index: number): number {
    return (this.pages[Math.floor(index / pageRows)] as Page)[column][index % pageRows] as number;
  }

  time = (index: number): number => this.value('time', index);
  tokens = (index: number): number => this.value('tokens', index);
  microseconds = (index: number): number => this.value('microseconds', index);
  /** NaN where the other path was not run. */
  otherMicroseconds = (index: number): number => this.value('otherMicroseconds', index);
  /** NaN where nothing was compared. */
  nrmse = (index: number): number => this.value('nrmse', index);
  /** Index into `kernels`. */
  kernelIndex = (index: number): number => this.value('kernel', index);
  failed = (index: number): boolean => this.value('failed', index) === 1;
  path = (index: number): Path => paths[this.value('path', index)] as Path;

  /** The row object of one batch; the caller keeps 0 <= index < length. */
  row(index: number): BatchRow {
    const optional = (column: NumericColumn) => {
      const value = this.value(column, index);
      return Number.isNaN(value) ? null : value;
    };
    const tokens = this.tokens(index);
    return {
      index,
      time: this.time(index),
      tokens,
      routedPairs: tokens * this.topK,
      uniqueExperts: this.value('uniqueExperts', index),
      maxRowsPerExpert: this.value('maxRows', index),
      phase: this.value('prefill', index) === 1 ? 'prefill' : 'decode',
      path: this.path(index),
      kernel: kernels[this.kernelIndex(index)] as Kernel,
      threshold: this.value('threshold', index),
      microseconds: this.microseconds(index),
      otherMicroseconds: optional('otherMicroseconds'),
      nrmse: optional('nrmse'),
      cosine: optional('cosine'),
      error: this.errors.get(index) ?? null,
    };
  }

  /** Up to `count` rows from `first` on, of the first `visible` batches; with `path` only those (and `total` counts them). */
  rows(first: number, count: number, visible: number, path?: Path): { total: number; rows: BatchRow[] } {
    const rows: BatchRow[] = [];
    if (path === undefined) {
      const from = Math.max(0, first);
      for (let index = from; index < Math.min(from + count, visible); index++) rows.push(this.row(index));
      return { total: visible, rows };
    }
    let total = 0;
    for (let index = 0; index < visible; index++) {
      if (this.path(index) !== path) continue;
      if (total >= first && rows.length < count) rows.push(this.row(index));
      total++;
    }
    return { total, rows };
  }
}
