/** The tensors that a source can show, by id "set/name": those of the layer, and with a batch its activations. */

import { AppError } from '../../contract/errors';
import type { TensorDescriptor } from '../../contract/tensor';
import type { CancelFlag, NativeBinding, NativeTensor } from '../native/binding';
import { isUnavailable, type RunPath, type Source, type SourceTensor } from '../run/source';
import { foldNote } from './folding';
import { logicalShape } from './logical-shape';

export const idOf = ({ set, name }: Pick<SourceTensor, 'set' | 'name'>) => `${set}/${name}`;

const tapNotes: Record<string, string> = {
  x_q: 'FC1 input, FP4 codes',
  x_sf: 'FC1 input, block scales as the kernel chose them',
  fc1: 'FC1 result after its multiplier, [up, gate]',
  act: 'after the activation, as FC2 quantizes it',
  act_q: 'FC2 input, FP4 codes',
  act_sf: 'FC2 input, block scales as the kernel chose them',
  fc2: 'FC2 result before the router weight',
  y: 'output',
};

function activation(side: string, tap: string, tensor: NativeTensor): SourceTensor {
  const { layout, dtype } = tensor.info();
  const role = dtype === 'F8_E4M3' ? 'block-scale' : layout === 'fp4' ? 'weight' : 'activation';
  return {
    set: 'batch',
    name: `${side}.${tap}`,
    role: role === 'weight' ? 'activation' : role,
    note: `${side}: ${tapNotes[tap] ?? tap}`,
    tensor,
  };
}

/** Activations of one batch: its input and everything both paths can show of their stages. */
async function batchTensors(
  binding: NativeBinding,
  source: Source,
  batch: number,
  cancel?: CancelFlag,
): Promise<SourceTensor[]> {
  const found: SourceTensor[] = [];
  const input = await source.input(batch, cancel);
  if (!isUnavailable(input)) found.push(inputTensor(binding, source, input.x, input.tokens));
  for (const side of source.available(batch)) {
    if (side === 'reference') continue;
    const answer = await source.answer(batch, side, side, true, cancel);
    if (isUnavailable(answer)) continue;
    for (const [tap, tensor] of Object.entries(answer.tensors)) found.push(activation(side, tap, tensor));
  }
  return found;
}

function inputTensor(binding: NativeBinding, source: Source, x: Uint16Array, tokens: number): SourceTensor {
  const tensor = binding.tensorFromBytes(new Uint8Array(x.buffer, x.byteOffset, x.byteLength), {
    name: 'x',
    dtype: 'BF16',
    shape: [tokens, source.shape.hidden],
    layout: 'linear',
  });
  return { set: 'batch', name: 'x', role: 'activation', note: 'input of the layer', tensor };
}

export async function listTensors(
  binding: NativeBinding,
  source: Source,
  batch: number | undefined,
  cancel?: CancelFlag,
): Promise<TensorDescriptor[]> {
  const tensors = await source.layerTensors();
  if (batch !== undefined) tensors.push(...(await batchTensors(binding, source, batch, cancel)));
  return tensors.map((entry) => {
    const info = entry.tensor.info();
    const { dtype, layout, shape, bytes } = info;
    const note = [entry.note, foldNote(source.contract, entry)].filter((part) => part !== '').join('; ');
    return {
      id: idOf(entry),
      set: entry.set,
      name: entry.name,
      dtype,
      layout,
      shape,
      ...logicalShape({ ...info, name: entry.name }, source.shape),
      bytes,
      role: entry.role,
      note,
    };
  });
}

/**
 * One tensor by id. Throws `missing-tensor` for an id that the source does not have, `bad-option` for a tensor of a batch
 * without one, `unsupported` with the reason where the answer of the batch is not there.
 */
export async function findTensor(
  binding: NativeBinding,
  source: Source,
  id: string,
  batch: number | undefined,
  cancel?: CancelFlag,
): Promise<SourceTensor> {
  if (!id.startsWith('batch/')) {
    const found = (await source.layerTensors()).find((entry) => idOf(entry) === id);
    if (found) return found;
    throw missing(id);
  }
  if (batch === undefined)
    throw new AppError({
      code: 'bad-option',
      message: `Tensor ${id} belongs to a batch; say which.`,
      subject: 'batch',
    });
  const name = id.slice('batch/'.length);
  if (name === 'x') {
    const input = await source.input(batch, cancel);
    if (isUnavailable(input)) throw new AppError({ code: 'unsupported', message: input.reason, subject: id });
    return inputTensor(binding, source, input.x, input.tokens);
  }
  const [side, tap] = name.split('.');
  if ((side !== 'b12x' && side !== 'cutlass') || tap === undefined) throw missing(id);
  const answer = await source.answer(batch, side, side satisfies RunPath, true, cancel);
  if (isUnavailable(answer)) throw new AppError({ code: 'unsupported', message: answer.reason, subject: id });
  const tensor = answer.tensors[tap];
  if (!tensor) throw missing(id);
  return activation(side, tap, tensor);
}

function missing(id: string): AppError {
  return new AppError({
    code: 'missing-tensor',
    message: `There is no tensor ${id}.`,
    subject: id,
    remedy: 'Ask for the list of tensors first.',
  });
}
