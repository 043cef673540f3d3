/** Answers written by `moescope run --out`: "y" and taps of each batch, as native tensors. */
import { AppError } from '../contract/errors';
import type { DType } from '../contract/layer';
import { readHeader } from '../engine/checkpoint/safetensors/catalog';
import type { NativeBinding, NativeTensor } from '../engine/native/binding';

const packed = new Set(['x_q', 'act_q']);
const names = ['y', 'x_q', 'x_sf', 'fc1', 'act', 'act_q', 'act_sf', 'fc2'];

/**
 * Output and taps of one batch of the file. @param batch name before the dot, "" for plain names; the first batch when absent
 * @throws AppError `missing-tensor` naming what the file has, and what opening a file throws
 */
export async function readOutput(
  binding: NativeBinding,
  path: string,
  batch?: string,
): Promise<{ batch: string; tensors: Record<string, NativeTensor> }> {
  const { tensors } = await readHeader(path);
  const outputs = [...tensors.keys()].filter((name) => name === 'y' || name.endsWith('.y'));
  const wanted = batch === undefined ? outputs[0] : batch === '' ? 'y' : `${batch}.y`;
  if (wanted === undefined || !tensors.has(wanted))
    throw new AppError({
      code: 'missing-tensor',
      message: `${path} holds no output ${wanted ?? 'y'}.`,
      subject: path,
      expected: 'a file of `moescope run --out`',
      found: outputs.join(', ') || [...tensors.keys()].slice(0, 12).join(', '),
    });
  const prefix = wanted.slice(0, -1);
  const file = await binding.mapFile(path);
  const found: Record<string, NativeTensor> = {};
  for (const name of names) {
    const entry = tensors.get(prefix + name);
    if (!entry) continue;
    const { dtype, shape, begin, end } = entry;
    found[name] = binding.tensorFromFile(file, {
      ...{ name, dtype: dtype as DType, shape: [...shape], layout: packed.has(name) ? 'fp4' : 'linear' },
      ...{ offset: begin, bytes: end - begin },
    });
  }
  return { batch: prefix === '' ? '' : prefix.slice(0, -1), tensors: found };
}
