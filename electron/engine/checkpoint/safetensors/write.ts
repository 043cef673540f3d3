/** Writes safetensors: header first (all shapes are known in advance), then the tensors in that order. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../../contract/errors';
import { fileError } from '../file-errors';
import { bitsOf } from './dtypes';

export interface TensorSpec {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}
export interface TensorData extends TensorSpec {
  readonly bytes: Uint8Array;
}

/** Bytes of a tensor of this dtype and shape. */
export function byteSize({ name, dtype, shape }: TensorSpec): number {
  const width = bitsOf(dtype);
  if (width === undefined)
    throw new AppError({ code: 'internal', message: `Tensor ${name} has the unknown dtype ${dtype}.` });
  return shape.reduce((product, dim) => product * dim, width) / 8;
}

/** Length field and JSON of a file that holds `tensors` in this order; padded with spaces so that the data begin at a multiple of 8. */
export function encodeHeader(tensors: readonly TensorSpec[], metadata: Record<string, string> = {}): Uint8Array {
  // Entries and not assignment: a tensor may be named __proto__.
  const header: [string, unknown][] = [['__metadata__', { format: 'pt', ...metadata }]];
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + byteSize(tensor);
    header.push([tensor.name, { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}

/** A file that is written tensor by tensor under its final name's sibling, and gets its name in `finish`. */
export class SafetensorsWriter {
  private readonly pending: TensorSpec[];
  private readonly temporary: string;

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    temporary: string,
    tensors: readonly TensorSpec[],
  ) {
    this.temporary = temporary;
    this.pending = [...tensors].reverse();
  }

  /** @throws AppError `file-not-found`, `file-unreadable`, `disk-full`. */
  static async create(
    path: string,
    tensors: readonly TensorSpec[],
    metadata?: Record<string, string>,
  ): Promise<SafetensorsWriter> {
    const temporary = `${path}.partial-${process.pid}`;
    let handle: FileHandle | undefined;
    try {
      handle = await open(temporary, 'w');
      const writer = new SafetensorsWriter(path, handle, temporary, tensors);
      await writer.append(encodeHeader(tensors, metadata));
      return writer;
    } catch (thrown) {
      await handle?.close();
      await rm(temporary, { force: true });
      throw fileError(thrown, path);
    }
  }

  /**
   * The next tensor of the list, whole or in pieces.
   * @throws AppError `internal` when it is not the next one or has another size; `disk-full`.
   */
  async write(name: string, data: Uint8Array | Iterable<Uint8Array>): Promise<void> {
    const next = this.pending.pop();
    let size = 0;
    if (next?.name === name) {
      for (const piece of data instanceof Uint8Array ? [data] : data) {
        size += piece.byteLength;
        await this.append(piece);
      }
      if (size === byteSize(next)) return;
    }
    throw new AppError({
      code: 'internal',
      message: `Tensor ${name} was written out of order or with another size.`,
      expected: next ? `${next.name}, ${byteSize(next)} bytes` : 'no more tensors',
      found: `${name}, ${size} bytes`,
    });
  }

  private async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.byteLength - done);
        done += bytesWritten;
      }
    } catch (thrown) {
      throw fileError(thrown, this.path);
    }
  }

  /** Flushes to the disk and renames. */
  async finish(): Promise<void> {
    if (this.pending.length > 0) {
      throw new AppError({
        code: 'internal',
        message: `Tensor ${this.pending[this.pending.length - 1]?.name} was not written.`,
      });
    }
    try {
      await this.handle.sync();
      await this.handle.close();
      await rename(this.temporary, this.path);
    } catch (thrown) {
      throw fileError(thrown, this.path);
    }
  }

  /** Gives up: closes and removes what was written. */
  async discard(): Promise<void> {
    await this.handle.close().catch(() => undefined);
    await rm(this.temporary, { force: true });
  }
}

/** Writes a whole file at once, atomically. @throws AppError as the writer. */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorData[],
  metadata?: Record<string, string>,
): Promise<void> {
  const writer = await SafetensorsWriter.create(path, tensors, metadata);
  try {
    for (const tensor of tensors) await writer.write(tensor.name, tensor.bytes);
    await writer.finish();
  } catch (thrown) {
    await writer.discard();
    throw thrown;
  }
}

/** Splits tensors into files of at most `limit` bytes, as Hugging Face names them; `group` keeps an expert's tensors together. */
export function planShards<T extends { tensors: readonly TensorSpec[] }>(
  groups: readonly T[],
  limit: number,
): { file: string; groups: T[] }[] {
  const shards: T[][] = [];
  let size = Number.POSITIVE_INFINITY;
  for (const group of groups) {
    const bytes = group.tensors.reduce((sum, tensor) => sum + byteSize(tensor), 0);
    if (size + bytes > limit) {
      shards.push([]);
      size = 0;
    }
    shards[shards.length - 1]!.push(group);
    size += bytes;
  }
  if (shards.length === 1) return [{ file: 'model.safetensors', groups: shards[0]! }];
  const digits = (value: number) => String(value).padStart(5, '0');
  return shards.map((shard, i) => ({
    file: `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`,
    groups: shard,
  }));
}

/** A folder beside `path` for work that gets its name only when it is whole. */
export function siblingName(path: string, what: string): string {
  return join(dirname(path), `.${path.slice(dirname(path).length + 1)}.${what}-${process.pid}`);
}
