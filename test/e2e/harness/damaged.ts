import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepared } from './prepared';

/**
 * A folder whose path is the same in every run: paths of sessions and checkpoints are in the pictures.
 * @returns the folder, empty; take it away with `rmSync` or leave it to the next run.
 */
export function pictureFolder(): string {
  const folder = join(tmpdir(), 'moescope-pictures');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return folder;
}

/** The demo checkpoint as a weight-only one (W4A16): its configuration says so, and its input scales have another name. */
export function weightOnlyCheckpoint(folder: string): string {
  const path = join(folder, 'weight-only');
  cpSync(prepared('checkpoint'), path, { recursive: true });
  for (const name of readdirSync(path)) {
    const file = join(path, name);
    const bytes = readFileSync(file);
    if (name.endsWith('.json')) {
      writeFileSync(file, bytes.toString().replace(/"quant_algo":\s*"NVFP4"/g, '"quant_algo": "W4A16_NVFP4"'));
      continue;
    }
    // The header of a safetensors file: its length in 8 bytes, then JSON; a name of equal length keeps all offsets.
    const end = 8 + Number(bytes.readBigUInt64LE(0));
    bytes.write(bytes.toString('utf8', 8, end).replace(/\.input_scale"/g, '.other_scale"'), 8, 'utf8');
    writeFileSync(file, bytes);
  }
  return path;
}

/** A copy of a session of which every tensor file has one byte changed. */
export function damagedSession(session: string): string {
  const path = session.replace('.moesession', '-damaged.moesession');
  cpSync(session, path, { recursive: true });
  for (const name of readdirSync(join(path, 'blobs'))) {
    const file = join(path, 'blobs', name);
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
  }
  return path;
}
