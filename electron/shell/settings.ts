/** Settings of this machine: one JSON file in the user's data folder. Damaged or newer content is not an error. */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from './atomic-file';

const BoundsSchema = z.object({
  x: z.number().int(),
  y: z.number().int(),
  width: z.number().int().min(400).max(20_000),
  height: z.number().int().min(300).max(20_000),
  maximized: z.boolean(),
});
export type SavedBounds = z.infer<typeof BoundsSchema>;

const SettingsSchema = z.object({ window: BoundsSchema.optional().catch(undefined) });
export type SettingsData = z.infer<typeof SettingsSchema>;

export interface Settings {
  get(): SettingsData;
  /** Merges and writes. A folder that cannot be written costs the memory of this run, not the run. */
  set(change: SettingsData): void;
}

/** @param warn called with one sentence when the file cannot be read or written. */
export function openSettings(path: string, warn: (message: string) => void): Settings {
  let data = read(path, warn);
  return {
    get: () => data,
    set: (change) => {
      data = { ...data, ...change };
      try {
        mkdirSync(dirname(path), { recursive: true });
        writeFileAtomically(path, Buffer.from(`${JSON.stringify(data, null, 2)}\n`));
      } catch (error) {
        warn(`Settings cannot be saved: ${(error as Error).message}`);
      }
    },
  };
}

function read(path: string, warn: (message: string) => void): SettingsData {
  try {
    return SettingsSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') warn(`Settings in ${path} cannot be read; starting anew.`);
    return {};
  }
}

interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Saved bounds if enough of them (100 x 100 pixels) lies on a display that is there now, else undefined. */
export function visibleBounds(saved: SavedBounds | undefined, displays: readonly Rectangle[]): SavedBounds | undefined {
  if (saved === undefined) return undefined;
  const overlap = (start: number, length: number, from: number, size: number) =>
    Math.min(start + length, from + size) - Math.max(start, from);
  const seen = displays.some(
    ({ x, y, width, height }) =>
      overlap(saved.x, saved.width, x, width) >= 100 && overlap(saved.y, saved.height, y, height) >= 100,
  );
  return seen ? saved : undefined;
}
