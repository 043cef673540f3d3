import { kernels } from '../../contract/layer';
import type { BatchColumns } from './columns';

/** Rows under one summary; a timeline then looks at a million batches through 31,000 summaries and the rows at its edges. */
export const blockRows = 32;

/** Summaries kept together in one array. */
const blocksOfPage = 256;

/** What a timeline needs of `blockRows` batches in a row; the same rules as in `Extremes.row`. */
export class Summaries {
  private readonly counts: Uint8Array[] = [];
  private readonly extremes: Float32Array[] = [];

  /** Bytes held. */
  get bytes(): number {
    return this.counts.length * blocksOfPage * (kernels.length + 1 + 4 * Float32Array.BYTES_PER_ELEMENT);
  }

  add(index: number, table: BatchColumns): void {
    const block = Math.floor(index / blockRows);
    const page = Math.floor(block / blocksOfPage);
    const at = block % blocksOfPage;
    if (!this.counts[page]) {
      this.counts[page] = new Uint8Array(blocksOfPage * (kernels.length + 1));
      this.extremes[page] = new Float32Array(blocksOfPage * 4).fill(Number.NaN);
    }
    const extremes = new Extremes(this.extremes[page] as Float32Array, at * 4);
    const counts = this.counts[page] as Uint8Array;
    const base = at * (kernels.length + 1);
    counts[base + table.kernelIndex(index)] = (counts[base + table.kernelIndex(index)] as number) + 1;
    if (table.failed(index)) counts[base + kernels.length] = (counts[base + kernels.length] as number) + 1;
    extremes.row(table, index);
  }

  /** Counts per kernel, then errors, of one whole block; and its extremes. */
  block(block: number): { counts: Uint8Array; base: number; extremes: Float32Array; at: number } {
    const page = Math.floor(block / blocksOfPage);
    const at = block % blocksOfPage;
    return {
      counts: this.counts[page] as Uint8Array,
      base: at * (kernels.length + 1),
      extremes: this.extremes[page] as Float32Array,
      at: at * 4,
    };
  }
}

/** Smallest and largest tokens, longest time, largest NRMSE: four floats at a place of an array, NaN while empty. */
export class Extremes {
  private readonly values: Float32Array;
  private readonly at: number;

  constructor(values: Float32Array, at: number) {
    this.values = values;
    this.at = at;
  }

  /** Written as "not above", so that the NaN of an empty place gives way; a NaN never enters. */
  private least(offset: number, value: number): void {
    if (!Number.isNaN(value) && !((this.values[this.at + offset] as number) <= value))
      this.values[this.at + offset] = value;
  }
  private most(offset: number, value: number): void {
    if (!Number.isNaN(value) && !((this.values[this.at + offset] as number) >= value))
      this.values[this.at + offset] = value;
  }

  /** Takes one batch in. A batch that failed has tokens, but neither time nor NRMSE. */
  row(table: BatchColumns, index: number): void {
    const tokens = table.tokens(index);
    this.least(0, tokens);
    this.most(1, tokens);
    if (table.failed(index)) return;
    this.most(2, table.microseconds(index));
    this.most(3, table.nrmse(index));
  }

  /** Takes in what another place holds. */
  merge(values: Float32Array, at: number): void {
    this.least(0, values[at] as number);
    this.most(1, values[at + 1] as number);
    this.most(2, values[at + 2] as number);
    this.most(3, values[at + 3] as number);
  }
}
