/** Tensors of a session: safetensors files named by the SHA-256 of their bytes, so that equal content is stored once. */
import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import type { DType, ScaleLayout } from '../../contract/layer';
import { fileError } from '../checkpoint/file-errors';
import type { NativeTensor } from '../native/binding';
import { writeDurably } from './durable-file';
import { blobFile, blobFolder } from './files';
import type { Blob } from './records';

/** A tensor to store. `read` gives bytes [offset, offset + length) of its storage. */
export interface StoredTensor {
  name: string;
  dtype: DType;
  shape: number[];
  layout: ScaleLayout;
  bytes: number;
  /** rows and columns of a plane without padding, for swizzled scales */
  logical?: [number, number];
  read(offset: number, length: number): Uint8Array;
}

const pieceBytes = 4 * 1024 * 1024;

export function storedNative(name: string, tensor: NativeTensor, logical?: [number, number]): StoredTensor {
  const { dtype, shape, layout, bytes } = tensor.info();
  const read = (offset: number, length: number) => tensor.read(offset, length);
  return { name, dtype, shape, layout, bytes, read, ...(logical && { logical }) };
}

export function storedArray(name: string, dtype: DType, shape: number[], array: ArrayBufferView): StoredTensor {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return {
    name,
    dtype,
    shape,
    layout: 'linear',
    bytes: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** The header of a safetensors file: 8 bytes length, JSON padded with spaces to a multiple of 8; layouts in the metadata. */
export function safetensorsHeader(tensors: readonly Omit<StoredTensor, 'read'>[]): Uint8Array {
  const metadata: Record<string, string> = {};
  const entries: Record<string, unknown> = {};
  let offset = 0;
  for (const { name, dtype, shape, layout, bytes } of tensors) {
    metadata[`layout.${name}`] = layout;
    entries[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify({ __metadata__: metadata, ...entries }));
  const padded = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, 8);
  return header;
}

export class BlobStore {
  private readonly session: string;
  private readonly written = new Map<string, number>();

  constructor(session: string) {
    this.session = session;
  }

  get count(): number {
    return this.written.size;
  }
  get bytes(): number {
    let sum = 0;
    for (const size of this.written.values()) sum += size;
    return sum;
  }

  /** Creates the folder. */
  async open(): Promise<void> {
    try {
      await mkdir(blobFolder(this.session), { recursive: true });
    } catch (thrown) {
      throw fileError(thrown, blobFolder(this.session));
    }
  }

  /** Stores tensors as one blob; when it returns, the file is whole, on disk and has its final name. */
  async put(tensors: readonly StoredTensor[]): Promise<Blob> {
    const hash = createHash('sha256');
    let bytes = 0;
    let sha256 = '';
    await writeDurably(blobFile(this.session, 'new'), async (append) => {
      const write = async (piece: Uint8Array) => {
        hash.update(piece);
        bytes += piece.length;
        await append(piece);
      };
      await write(safetensorsHeader(tensors));
      for (const tensor of tensors) {
        for (let offset = 0; offset < tensor.bytes; offset += pieceBytes) {
          await write(tensor.read(offset, Math.min(pieceBytes, tensor.bytes - offset)));
        }
      }
      sha256 = hash.digest('hex');
      if (this.written.has(sha256) || (await exists(blobFile(this.session, sha256)))) return null;
      return blobFile(this.session, sha256);
    });
    this.written.set(sha256, bytes);
    return {
      sha256,
      bytes,
      tensors: tensors.map(({ name, dtype, shape, layout, logical }) => ({
        name,
        dtype,
        shape,
        layout,
        ...(logical && { logical }),
      })),
    };
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
