/** Native tensors written to a safetensors file, a piece at a time. */
import { realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AppError } from '../contract/errors';
import { expectFolderFor } from '../engine/checkpoint/file-errors';
import { SafetensorsWriter } from '../engine/checkpoint/safetensors/write';
import type { NativeTensor } from '../engine/native/binding';

/** Largest piece that the addon hands over at once. */
const pieceBytes = 32 * 1024 * 1024;

function* pieces(tensor: NativeTensor): Generator<Uint8Array> {
  const { bytes } = tensor.info();
  for (let offset = 0; offset < bytes; offset += pieceBytes)
    yield tensor.read(offset, Math.min(pieceBytes, bytes - offset));
}

/**
 * Asked before a layer is loaded for it: the folder is there, and what is read is not overwritten.
 * @param sources files that the command reads
 * @throws AppError `bad-option`, `file-not-found`, `file-unreadable`.
 */
export async function checkOutput(out: string, sources: readonly string[]): Promise<void> {
  await expectFolderFor(out);
  const real = await realpath(out).catch(() => resolve(out));
  if (
    await stat(real).then(
      (found) => found.isDirectory(),
      () => false,
    )
  ) {
    throw new AppError({
      code: 'file-unreadable',
      message: `${out} is a folder, not a file.`,
      subject: '--out',
      expected: 'the name of a safetensors file to write',
      found: 'a folder',
    });
  }
  for (const source of sources) {
    if ((await realpath(source).catch(() => resolve(source))) !== real) continue;
    throw new AppError({
      code: 'bad-option',
      message: `${out} is read by this command and would be overwritten.`,
      subject: '--out',
      remedy: 'Choose another name.',
    });
  }
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
