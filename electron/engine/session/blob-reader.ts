/** Blobs of a recorded session as native tensors: mapped, checked against their hash once, and named when they are damaged. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { AppError } from '../../contract/errors';
import { headerLength, lengthBytes, parseHeader } from '../checkpoint/safetensors/header';
import type { MappedFile, NativeBinding, NativeTensor } from '../native/binding';
import { blobFile } from './files';
import type { Blob } from './records';

/** Blobs that stay mapped; the rest are mapped again when asked for. */
const keptOpen = 64;

export class BlobReader {
  private readonly session: string;
  private readonly binding: () => NativeBinding;
  private readonly verified = new Map<string, Promise<string>>();
  private readonly open = new Map<
    string,
    { file: MappedFile; begins: Map<string, number>; tensors: Record<string, NativeTensor> }
  >();

  /** @param binding asked for only when a tensor is opened: rows and checks need no addon */
  constructor(session: string, binding: () => NativeBinding) {
    this.session = session;
    this.binding = binding;
  }

  /** What is wrong with a blob, empty when its bytes are the ones recorded. Each blob is read once. */
  check(blob: Blob): Promise<string> {
    let result = this.verified.get(blob.sha256);
    if (!result) {
      result = checkBlob(blobFile(this.session, blob.sha256), blob);
      this.verified.set(blob.sha256, result);
    }
    return result;
  }

  /** The mapped file of a blob and where each tensor begins in it. */
  async located(blob: Blob): Promise<{ file: MappedFile; begins: Map<string, number> }> {
    await this.tensors(blob);
    const { file, begins } = this.open.get(blob.sha256)!;
    return { file, begins };
  }

  /** The tensors of a blob by name. Throws `session-damaged` naming the file. */
  async tensors(blob: Blob): Promise<Record<string, NativeTensor>> {
    const known = this.open.get(blob.sha256);
    if (known) return known.tensors;
    const path = blobFile(this.session, blob.sha256);
    const damage = await this.check(blob);
    if (damage !== '') throw new AppError({ code: 'session-damaged', message: damage, subject: path });
    const binding = this.binding();
    const file = await binding.mapFile(path);
    const length = headerLength(file.read(0, Math.min(lengthBytes, file.size)), file.size, path);
    const header = parseHeader(file.read(lengthBytes, length), file.size, path);
    const tensors: Record<string, NativeTensor> = {};
    const begins = new Map<string, number>();
    for (const { name, dtype, shape, layout, logical } of blob.tensors) {
      const entry = header.tensors.get(name);
      if (!entry)
        throw new AppError({ code: 'session-damaged', message: `Blob ${path} has no tensor ${name}.`, subject: name });
      begins.set(name, entry.begin);
      tensors[name] = binding.tensorFromFile(file, {
        name,
        dtype,
        shape,
        layout,
        offset: entry.begin,
        bytes: entry.end - entry.begin,
        ...(logical && { logicalShape: [...shape.slice(0, -2), ...logical] }),
      });
    }
    this.open.set(blob.sha256, { file, begins, tensors });
    // Tensors keep their own hold on the map; dropping the entry only forgets it.
    if (this.open.size > keptOpen) this.open.delete(this.open.keys().next().value as string);
    return tensors;
  }

  close(): void {
    for (const { file } of this.open.values()) file.close();
    this.open.clear();
  }
}

async function checkBlob(path: string, blob: Blob): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size !== blob.bytes) return `Blob ${path} is damaged: ${size} bytes instead of ${blob.bytes}.`;
    const hash = createHash('sha256');
    for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece as Uint8Array);
    return hash.digest('hex') === blob.sha256 ? '' : `Blob ${path} is damaged: its bytes do not fit its SHA-256.`;
  } catch (thrown) {
    const { code } = thrown as { code?: string };
    return code === 'ENOENT' ? `Blob ${path} is missing.` : `Blob ${path} cannot be read: ${code ?? String(thrown)}.`;
  }
}
