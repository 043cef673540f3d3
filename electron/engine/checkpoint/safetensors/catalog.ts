/** All tensors of a checkpoint folder: one model.safetensors, or the shards that model.safetensors.index.json names. */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AppError } from '../../../contract/errors';
import { fileError, isObject, readJsonObject, regularFileSize } from '../file-errors';
import { type Header, headerLength, lengthBytes, parseHeader, type TensorEntry } from './header';

export interface ShardFile {
  readonly path: string;
  readonly size: number;
}
export interface CatalogTensor extends TensorEntry {
  /** index into `files` */
  readonly file: number;
}
export interface Catalog {
  readonly files: readonly ShardFile[];
  readonly tensors: ReadonlyMap<string, CatalogTensor>;
}

const single = 'model.safetensors';
const indexName = 'model.safetensors.index.json';
/** Headers are small next to the disk's latency; a few at a time is as fast as all at once. */
const headersAtOnce = 8;

/** Throws `cancelled` once the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError({ code: 'cancelled', message: 'Cancelled.' });
}

/**
 * Reads and checks the header of one file.
 * @throws AppError of `headerLength` and `parseHeader`, `file-not-found`, `file-unreadable`.
 */
export async function readHeader(path: string): Promise<Header & { size: number }> {
  const size = await regularFileSize(path);
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const length = headerLength(await readExactly(handle, 0, Math.min(lengthBytes, size)), size, path);
    return { ...parseHeader(await readExactly(handle, lengthBytes, length), size, path), size };
  } catch (thrown) {
    throw fileError(thrown, path);
  } finally {
    await handle?.close();
  }
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/**
 * Opens the headers of every file of a checkpoint folder; no tensor is read.
 * @throws AppError `file-not-found` naming a missing shard, `missing-tensor` for a tensor that the index promises and the
 *   shard lacks, and everything `readHeader` throws.
 */
export async function readCatalog(folder: string, signal?: AbortSignal): Promise<Catalog> {
  const { names, weightMap } = await fileNames(folder);
  const files: ShardFile[] = [];
  const headers: Header[] = [];
  for (let first = 0; first < names.length; first += headersAtOnce) {
    throwIfAborted(signal);
    const paths = names.slice(first, first + headersAtOnce).map((name) => join(folder, name));
    for (const header of await Promise.all(paths.map((path) => readShard(path, weightMap !== null)))) {
      files.push({ path: join(folder, names[files.length] as string), size: header.size });
      headers.push(header);
    }
  }
  const tensors = new Map<string, CatalogTensor>();
  headers.forEach((header, file) => {
    for (const entry of header.tensors.values()) {
      const earlier = tensors.get(entry.name);
      if (earlier) throw twice(entry.name, files[earlier.file]!.path, files[file]!.path);
      tensors.set(entry.name, { ...entry, file });
    }
  });
  if (weightMap) checkIndex(weightMap, tensors, files, join(folder, indexName));
  return { files, tensors };
}

async function readShard(path: string, promised: boolean): Promise<Header & { size: number }> {
  try {
    return await readHeader(path);
  } catch (thrown) {
    const error = AppError.from(thrown);
    if (error.code !== 'file-not-found' || !promised) throw error;
    throw new AppError({
      code: 'file-not-found',
      message: `Shard ${path} is missing, but ${indexName} names it.`,
      subject: path,
      remedy: 'Download the missing shard.',
    });
  }
}

async function fileNames(folder: string): Promise<{ names: string[]; weightMap: Map<string, string> | null }> {
  let present: string[];
  try {
    present = await readdir(folder);
  } catch (thrown) {
    throw fileError(thrown, folder);
  }
  if (present.includes(indexName)) {
    const path = join(folder, indexName);
    const weightMap = checkWeightMap((await readJsonObject(path)).weight_map, path);
    return { names: [...new Set(weightMap.values())].sort(), weightMap };
  }
  if (present.includes(single)) return { names: [single], weightMap: null };
  const others = present.filter((name) => name.endsWith('.safetensors')).sort();
  if (others.length === 1) return { names: others, weightMap: null };
  throw new AppError({
    code: 'file-not-found',
    message: `${folder} holds no checkpoint in safetensors format.`,
    subject: folder,
    expected: `${single}, or ${indexName} with its shards`,
    found: others.length > 1 ? `${others.length} .safetensors files without an index` : `${present.length} other files`,
    remedy: 'Give the folder that holds config.json and the weights.',
  });
}

function checkWeightMap(value: unknown, path: string): Map<string, string> {
  const entries = isObject(value) ? Object.entries(value) : [];
  const valid = entries.every(
    ([, file]) => typeof file === 'string' && basename(file) === file && file.endsWith('.safetensors'),
  );
  if (entries.length === 0 || !valid) {
    throw new AppError({
      code: 'bad-header',
      message: `${path} has no usable weight_map.`,
      subject: path,
      expected: 'weight_map: tensor name to the name of a .safetensors file in the same folder',
    });
  }
  return new Map(entries as [string, string][]);
}

function checkIndex(
  weightMap: Map<string, string>,
  tensors: ReadonlyMap<string, CatalogTensor>,
  files: ShardFile[],
  path: string,
): void {
  for (const [name, file] of weightMap) {
    const tensor = tensors.get(name);
    if (tensor && basename(files[tensor.file]!.path) === file) continue;
    throw new AppError({
      code: 'missing-tensor',
      message: `Tensor ${name} is not in ${file}, where ${path} says it is.`,
      subject: name,
      expected: `in ${file}`,
      found: tensor ? `in ${basename(files[tensor.file]!.path)}` : 'in no shard',
      remedy: 'Index and shards come from different exports; download them together.',
    });
  }
}

function twice(name: string, first: string, second: string): AppError {
  return new AppError({
    code: 'overlapping-tensors',
    message: `Tensor ${name} is in two files.`,
    subject: name,
    expected: `only in ${first}`,
    found: `also in ${second}`,
    remedy: 'The shards come from different exports; download them together.',
  });
}
