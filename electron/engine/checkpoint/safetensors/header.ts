/**
 * The header of a safetensors file: 8 bytes little-endian length, that many bytes of JSON, then the data. Everything in
 * it is checked before anything is trusted, by the rules of the reference implementation (safetensors/src/tensor.rs).
 */
import { AppError } from '../../../contract/errors';
import { isObject } from '../file-errors';
import { bitsOf, knownDtypes } from './dtypes';

/** Same limit as the reference implementation (MAX_HEADER_SIZE). */
export const maxHeaderBytes = 100_000_000;
/** Bytes before the JSON. */
export const lengthBytes = 8;

export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** byte range in the file (not in the data section) */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly dataStart: number;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

function bad(path: string, message: string, more: { expected?: string; found?: string } = {}): AppError {
  return new AppError({
    code: 'bad-header',
    message: `${path}: ${message}`,
    subject: path,
    ...more,
    remedy: 'The file is damaged or is no safetensors file; copy or export it again.',
  });
}

/**
 * Length of the JSON part.
 * @param first the first 8 bytes of the file (fewer when the file is shorter)
 * @throws AppError `file-truncated` for a file shorter than its header, `bad-header` for a length beyond the format's limit.
 */
export function headerLength(first: Uint8Array, fileSize: number, path: string): number {
  if (first.length < lengthBytes) {
    throw new AppError({
      code: 'file-truncated',
      message: `${path} is too short to be a safetensors file.`,
      subject: path,
      expected: `at least ${lengthBytes} bytes`,
      found: `${fileSize} bytes`,
      remedy: 'Copy or download the file again.',
    });
  }
  const length = new DataView(first.buffer, first.byteOffset, lengthBytes).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw bad(path, 'the header length is beyond what the format allows.', {
      expected: `at most ${maxHeaderBytes} bytes`,
      found: `${length} bytes (file: ${fileSize} bytes)`,
    });
  }
  if (Number(length) + lengthBytes > fileSize) {
    throw new AppError({
      code: 'file-truncated',
      message: `${path} ends inside its header.`,
      subject: path,
      expected: `a header of ${length} bytes`,
      found: `a file of ${fileSize} bytes`,
      remedy: 'Copy or download the file again.',
    });
  }
  if (length < 2n) throw bad(path, 'the header is empty.', { expected: 'a JSON object', found: `${length} bytes` });
  return Number(length);
}

/**
 * Parses and checks the JSON part.
 * @param json exactly the header's bytes
 * @throws AppError `bad-header`, `wrong-dtype`, `wrong-shape`, `file-truncated` or `overlapping-tensors`, naming the tensor.
 */
export function parseHeader(json: Uint8Array, fileSize: number, path: string): Header {
  const value = parseJson(json, path);
  const dataStart = lengthBytes + json.length;
  const tensors = new Map<string, TensorEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(value)) {
    if (name === '__metadata__') metadata = checkMetadata(entry, path);
    else tensors.set(name, checkEntry(name, entry, dataStart, fileSize, path));
  }
  checkRanges(tensors, dataStart, fileSize, path);
  return { dataStart, tensors, metadata };
}

function parseJson(json: Uint8Array, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json));
  } catch (thrown) {
    throw bad(path, `the header is not JSON in UTF-8: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  if (!isObject(value)) throw bad(path, 'the header is not a JSON object.');
  const written = countKeys(json);
  const kept = Object.keys(value).length;
  if (written !== kept) {
    throw bad(path, 'the header names a tensor twice.', { expected: `${written} different names`, found: `${kept}` });
  }
  return value;
}

/** Keys of the outermost object, twice-written ones counted twice (JSON.parse keeps only the last). `json` is valid JSON. */
function countKeys(json: Uint8Array): number {
  let depth = 0;
  let keys = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (quoted) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) quoted = false;
    } else if (byte === 0x22) quoted = true;
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte === 0x3a && depth === 1) keys++;
  }
  return keys;
}

function checkMetadata(value: unknown, path: string): Record<string, string> {
  if (!isObject(value) || Object.values(value).some((item) => typeof item !== 'string')) {
    throw bad(path, '__metadata__ must map text to text.');
  }
  return value as Record<string, string>;
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function checkEntry(name: string, value: unknown, dataStart: number, fileSize: number, path: string): TensorEntry {
  const subject = `${name} in ${path}`;
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : ({} as Record<string, unknown>);
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !shape.every(isCount)) {
    throw bad(path, `the entry of tensor ${name} needs a dtype and a shape of non-negative integers.`);
  }
  if (
    !Array.isArray(offsets) ||
    offsets.length !== 2 ||
    !isCount(offsets[0]) ||
    !isCount(offsets[1]) ||
    offsets[0] > offsets[1]
  ) {
    throw bad(path, `tensor ${name} has no valid byte range.`, {
      expected: 'data_offsets [begin, end] with 0 <= begin <= end',
      found: JSON.stringify(offsets) ?? 'nothing',
    });
  }
  const width = bitsOf(dtype);
  if (width === undefined) {
    throw new AppError({
      code: 'wrong-dtype',
      message: `Tensor ${subject} has a dtype that the format does not have.`,
      subject,
      expected: knownDtypes.join(', '),
      found: dtype,
    });
  }
  const begin = dataStart + offsets[0];
  const end = dataStart + offsets[1];
  if (end > fileSize) {
    throw new AppError({
      code: 'file-truncated',
      message: `${path} ends before the data of tensor ${name}.`,
      subject,
      expected: `a file of at least ${end} bytes`,
      found: `${fileSize} bytes`,
      remedy: 'The copy is incomplete; copy or download the file again.',
    });
  }
  const size = shape.reduce<number>((product, dim) => product * dim, width) / 8;
  if (size !== end - begin) {
    throw new AppError({
      code: 'wrong-shape',
      message: `The byte range of tensor ${subject} does not fit its shape.`,
      subject,
      expected: `${size} bytes for ${dtype} [${shape.join(', ')}]`,
      found: `${end - begin} bytes`,
    });
  }
  return { name, dtype, shape, begin, end };
}

/** The format wants the data section covered once: no overlaps, no holes, nothing after the last tensor. */
function checkRanges(
  tensors: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  fileSize: number,
  path: string,
): void {
  const ordered = [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let hole: string | undefined;
  let reached = dataStart;
  let previous: TensorEntry | undefined;
  for (const tensor of ordered) {
    if (tensor.begin < reached && previous) {
      throw new AppError({
        code: 'overlapping-tensors',
        message: `Tensors ${previous.name} and ${tensor.name} in ${path} overlap.`,
        subject: `${tensor.name} in ${path}`,
        expected: `a range from byte ${reached} on`,
        found: `bytes ${tensor.begin} to ${tensor.end}`,
        remedy: 'The header is damaged; export the file again.',
      });
    }
    if (tensor.begin > reached) hole ??= `${tensor.begin - reached} bytes before tensor ${tensor.name}`;
    reached = tensor.end;
    previous = tensor;
  }
  if (fileSize > reached) hole ??= `${fileSize - reached} bytes after the last tensor`;
  if (hole)
    throw bad(path, 'part of the data belongs to no tensor.', { expected: 'tensors that cover the data', found: hole });
}
