/** Native tensors written to a safetensors file, a piece at a time. */
import { SafetensorsWriter } from '../engine/checkpoint/safetensors/write';
import type { NativeTensor } from '../engine/native/binding';

/** Largest piece that the addon hands over at once. */
const pieceBytes = 32 * 1024 * 1024;

function* pieces(tensor: NativeTensor): Generator<Uint8Array> {
  const { bytes } = tensor.info();
  for (let offset = 0; offset < bytes; offset += pieceBytes)
    yield tensor.read(offset, Math.min(pieceBytes, bytes - offset));
}

/** Atomically. @throws AppError `disk-full`, `file-not-found`, `file-unreadable`. */
export async function writeTensors(path: string, tensors: ReadonlyMap<string, NativeTensor>): Promise<void> {
  const specs = [...tensors].map(([name, tensor]) => {
    const { dtype, shape } = tensor.info();
    return { name, dtype, shape };
  });
  const writer = await SafetensorsWriter.create(path, specs);
  try {
    for (const [name, tensor] of tensors) await writer.write(name, pieces(tensor));
    await writer.finish();
  } catch (thrown) {
    await writer.discard();
    throw thrown;
  }
}
