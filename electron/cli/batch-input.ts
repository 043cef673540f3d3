/** Batches given in a safetensors file: x, topk_ids and topk_weights, or several of them as NAME.x and so on. */
import { type FileHandle, open } from 'node:fs/promises';
import { AppError } from '../contract/errors';
import type { LayerShape } from '../contract/layer';
import { fileError } from '../engine/checkpoint/file-errors';
import { readHeader } from '../engine/checkpoint/safetensors/catalog';
import type { TensorEntry } from '../engine/checkpoint/safetensors/header';
import type { BatchTensors } from '../engine/layer/wrapper';

export interface NamedBatch extends BatchTensors {
  /** "" for plain x, else what stands before ".x" */
  name: string;
}

const ending = (name: string, part: string) => (name === '' ? part : `${name}.${part}`);

/**
 * Reads and checks every batch of the file: x BF16 [T, H], topk_ids I32 [T, k], topk_weights F32 [T, k], ids in [0, E).
 * @throws AppError `missing-tensor`, `wrong-dtype`, `wrong-shape`, `bad-routing`, and what `readHeader` throws.
 */
export async function readBatches(path: string, shape: LayerShape): Promise<NamedBatch[]> {
  const { tensors } = await readHeader(path);
  const names = [...tensors.keys()]
    .filter((name) => name === 'x' || (name.endsWith('.x') && tensors.has(`${name.slice(0, -2)}.topk_ids`)))
    .map((name) => (name === 'x' ? '' : name.slice(0, -2)));
  if (names.length === 0) throw missing('x', path, [...tensors.keys()]);
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const batches: NamedBatch[] = [];
    for (const name of names) batches.push(await readBatch(handle, tensors, name, shape, path));
    return batches;
  } catch (thrown) {
    throw fileError(thrown, path);
  } finally {
    await handle?.close();
  }
}

/** One sentence for each batch whose x holds NaN or infinity: they are given on as they are, and each kernel has its own way with them. */
export function notFinite(batches: readonly NamedBatch[]): string[] {
  return batches.flatMap(({ name, tokens, x }) => {
    // BF16 with all eight exponent bits set.
    const count = x.reduce((sum, bits) => sum + Number((bits & 0x7f80) === 0x7f80), 0);
    if (count === 0) return [];
    const first = Math.floor(x.findIndex((bits) => (bits & 0x7f80) === 0x7f80) / (x.length / tokens));
    return [
      `${ending(name, 'x')} holds ${count} values that are not finite (first in token ${first}); what a kernel makes of them differs between kernels.`,
    ];
  });
}

function missing(name: string, path: string, present: readonly string[]): AppError {
  return new AppError({
    code: 'missing-tensor',
    message: `Tensor ${name} is missing in ${path}.`,
    subject: `${name} in ${path}`,
    expected: 'x BF16 [T, H], topk_ids I32 [T, k], topk_weights F32 [T, k]',
    found: present.slice(0, 12).join(', ') || 'no tensors',
  });
}

async function readBatch(
  handle: FileHandle,
  tensors: ReadonlyMap<string, TensorEntry>,
  name: string,
  { hidden, topK, experts }: LayerShape,
  path: string,
): Promise<NamedBatch> {
  const find = (part: string, dtype: string, width: number, what: string, tokens?: number): TensorEntry => {
    const full = ending(name, part);
    const tensor = tensors.get(full);
    if (!tensor) throw missing(full, path, [...tensors.keys()]);
    const subject = `${full} in ${path}`;
    if (tensor.dtype !== dtype) {
      throw new AppError({
        code: 'wrong-dtype',
        message: `Tensor ${subject} has the wrong dtype.`,
        subject,
        expected: dtype,
        found: tensor.dtype,
      });
    }
    const [rows, columns] = tensor.shape;
    if (tensor.shape.length !== 2 || !rows || columns !== width || (tokens !== undefined && rows !== tokens)) {
      const expected = `[${tokens ?? 'T > 0'}, ${width}] (${what})`;
      throw new AppError({
        code: 'wrong-shape',
        message: `Tensor ${subject} has the wrong shape.`,
        subject,
        expected,
        found: `[${tensor.shape.join(', ')}]`,
      });
    }
    return tensor;
  };
  const x = find('x', 'BF16', hidden, 'tokens, hidden size of the layer');
  const tokens = x.shape[0]!;
  const ids = find('topk_ids', 'I32', topK, 'tokens, top-k', tokens);
  const weights = find('topk_weights', 'F32', topK, 'tokens, top-k', tokens);
  const batch = {
    name,
    tokens,
    x: new Uint16Array(await bytesOf(handle, x)),
    topkIds: new Int32Array(await bytesOf(handle, ids)),
    topkWeights: new Float32Array(await bytesOf(handle, weights)),
  };
  checkRouting(batch, topK, experts, path);
  return batch;
}

async function bytesOf(handle: FileHandle, { begin, end }: TensorEntry): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(end - begin);
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, begin + done);
    if (bytesRead === 0)
      throw new AppError({ code: 'file-truncated', message: 'The input file became shorter while it was read.' });
    done += bytesRead;
  }
  return bytes.buffer;
}

function checkRouting({ name, topkIds, topkWeights }: NamedBatch, topK: number, experts: number, path: string): void {
  const place = (index: number) => `token ${Math.floor(index / topK)}, slot ${index % topK}`;
  const badId = topkIds.findIndex((id) => id < 0 || id >= experts);
  if (badId >= 0) {
    const subject = `${ending(name, 'topk_ids')} in ${path}`;
    throw new AppError({
      code: 'bad-routing',
      message: `${subject} names an expert that the layer does not have, at ${place(badId)}.`,
      subject,
      expected: `0 to ${experts - 1}`,
      found: String(topkIds[badId]),
    });
  }
  const badWeight = topkWeights.findIndex((weight) => !Number.isFinite(weight));
  if (badWeight >= 0) {
    const subject = `${ending(name, 'topk_weights')} in ${path}`;
    throw new AppError({
      code: 'bad-routing',
      message: `${subject} holds a weight that is not finite, at ${place(badWeight)}.`,
      subject,
      expected: 'finite numbers',
      found: String(topkWeights[badWeight]),
    });
  }
}
