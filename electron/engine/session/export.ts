/** A session as one file: a zip of the whole folder, or its batches as CSV. */

import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Zip, ZipDeflate, ZipPassThrough } from 'fflate';
import { measuredMicroseconds } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import { fileError } from '../checkpoint/file-errors';
import type { BatchColumns } from '../run/columns';
import { writeDurably } from './durable-file';

/** The zip format without its 64-bit extension, which fflate does not write. */
const zipLimit = 2 ** 32 - 1;

async function filesOf(folder: string, inside = ''): Promise<{ name: string; path: string; bytes: number }[]> {
  const found: { name: string; path: string; bytes: number }[] = [];
  for (const entry of await readdir(join(folder, inside), { withFileTypes: true })) {
    const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await filesOf(folder, name)));
    else if (entry.isFile() && !name.endsWith('.tmp')) {
      const path = join(folder, name);
      found.push({ name, path, bytes: (await stat(path)).size });
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Packs a session into one zip, streaming: memory does not grow with the session. Tensors are stored, text is deflated.
 * Throws `unsupported-shape` above 4 GiB, `disk-full`, `file-unreadable`.
 * @returns bytes written
 */
export async function exportZip(
  session: string,
  out: string,
  onProgress: (done: number, total: number) => void,
): Promise<number> {
  let files: Awaited<ReturnType<typeof filesOf>>;
  try {
    files = await filesOf(session);
  } catch (thrown) {
    throw fileError(thrown, session);
  }
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total > zipLimit) {
    throw new AppError({
      code: 'unsupported-shape',
      message: 'The session is too large for a zip file.',
      subject: session,
      expected: 'at most 4 GiB',
      found: `${total} bytes`,
      remedy: 'Pack the folder with tar.',
    });
  }
  let written = 0;
  await writeDurably(out, async (append) => {
    const ready: Uint8Array[] = [];
    const zip = new Zip((error, data) => {
      if (error) throw error;
      ready.push(data);
    });
    const drain = async () => {
      for (const piece of ready.splice(0)) {
        await append(piece);
        written += piece.length;
      }
    };
    let done = 0;
    for (const { name, path } of files) {
      const entryName = `${basename(session)}/${name}`;
      const entry = name.endsWith('.safetensors')
        ? new ZipPassThrough(entryName)
        : new ZipDeflate(entryName, { level: 6 });
      zip.add(entry);
      for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
        entry.push(piece as Uint8Array);
        done += (piece as Uint8Array).length;
        await drain();
        onProgress(done, total);
      }
      entry.push(new Uint8Array(0), true);
      await drain();
    }
    zip.end();
    await drain();
    return out;
  });
  return written;
}

const csvColumns = [
  'batch',
  'time_ms',
  'tokens',
  'routed_pairs',
  'unique_experts',
  'max_rows_per_expert',
  'phase',
  'path',
  'kernel',
  'threshold',
  'microseconds',
  'other_microseconds',
  'nrmse',
  'cosine',
  'error',
] as const;

/** Rows written at a time. */
const csvRows = 1000;

/** Batches as CSV (RFC 4180), one line a batch; empty where nothing was measured. */
export async function exportCsv(table: BatchColumns, out: string): Promise<void> {
  await writeDurably(out, async (append) => {
    const write = (text: string) => append(new TextEncoder().encode(text));
    await write(`${csvColumns.join(',')}\r\n`);
    for (let first = 0; first < table.length; first += csvRows) {
      const lines = table
        .rows(first, csvRows, table.length)
        .rows.map((row) =>
          [
            row.index,
            row.time,
            row.tokens,
            row.routedPairs,
            row.uniqueExperts,
            row.maxRowsPerExpert,
            row.phase,
            row.path,
            row.kernel,
            row.threshold,
            measuredMicroseconds(row) ?? '',
            row.otherMicroseconds ?? '',
            row.nrmse ?? '',
            row.cosine ?? '',
            row.error ? `"${row.error.message.replace(/"/g, '""')}"` : '',
          ].join(','),
        );
      await write(lines.map((line) => `${line}\r\n`).join(''));
    }
    return out;
  });
}
