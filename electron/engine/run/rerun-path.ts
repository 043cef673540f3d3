import { AppError } from '../../contract/errors';
import type { Reply } from '../../contract/messages';
import type { CancelFlag, NativeBinding, NativeTensor } from '../native/binding';
import { isUnavailable, type RunPath, type Source, type Unavailable } from './source';

/** Largest piece that a native tensor is read in. */
const pieceBytes = 4 * 1024 * 1024;

/** Whether two tensors have the same dtype, shape and bytes. */
export function identicalTensors(a: NativeTensor, b: NativeTensor): boolean {
  const left = a.info();
  const right = b.info();
  if (left.dtype !== right.dtype || left.bytes !== right.bytes || left.shape.join() !== right.shape.join())
    return false;
  for (let offset = 0; offset < left.bytes; offset += pieceBytes) {
    const length = Math.min(pieceBytes, left.bytes - offset);
    if (Buffer.compare(a.read(offset, length), b.read(offset, length)) !== 0) return false;
  }
  return true;
}

function orUnsupported<T extends object>(value: T | Unavailable, batch: number): T {
  if (!isUnavailable(value)) return value;
  throw new AppError({ code: 'unsupported', message: value.reason, subject: `batch ${batch}` });
}

/**
 * One batch again on a chosen path, compared with the answer the batch had.
 * Throws `unsupported` with the reason where the source cannot run or has no such answer.
 */
export async function rerunOnPath(
  binding: Pick<NativeBinding, 'compare'>,
  source: Source,
  batch: number,
  path: RunPath,
  cancel?: CancelFlag,
): Promise<Reply<'batch.rerun'>> {
  const ran = source.table.path(batch) === 'cutlass' ? 'cutlass' : 'b12x';
  const original = orUnsupported(await source.answer(batch, ran, ran, false, cancel), batch);
  const again = orUnsupported(await source.rerun(batch, path, cancel), batch);
  const before = outputOf(original.tensors);
  const now = outputOf(again.tensors);
  // NRMSE of b12x against CUTLASS, whichever path ran first: the rule of contract/batch.ts.
  const [a, b] = path === ran || path === 'b12x' ? [now, before] : [before, now];
  const { nrmse, cosine } = await binding.compare(a, b, { rtol: 0, atol: 0, worst: 0 });
  return { microseconds: again.microseconds, nrmse, cosine, identical: identicalTensors(now, before) };
}

/** The output "y" of an answer. */
export function outputOf(tensors: Record<string, NativeTensor>): NativeTensor {
  const { y } = tensors;
  if (!y) throw new AppError({ code: 'internal', message: 'The answer has no output "y".' });
  return y;
}
