/** Where the bundles lie, seen from whichever of them this code is part of (all in .vite/build). */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../contract/errors';

const here = dirname(fileURLToPath(import.meta.url));

export const built = {
  engineProcess: join(here, 'engine-process.cjs'),
  preload: join(here, 'preload.cjs'),
  window: join(here, '..', 'renderer', 'main_window'),
};

/** @throws AppError `unsupported` naming the part that has not been built. */
export function requireBuilt(...parts: (keyof typeof built)[]): void {
  const missing = parts.map((part) => built[part]).find((path) => !existsSync(path));
  if (missing === undefined) return;
  throw new AppError({
    code: 'unsupported',
    message: `A part of MoEscope is not built: ${missing} does not exist.`,
    subject: missing,
    remedy: 'Run `npm run build`.',
  });
}

/** Version of the tool, from the package.json that the bundles belong to. */
export function toolVersion(): string {
  const about = JSON.parse(readFileSync(join(here, '..', '..', 'package.json'), 'utf8')) as { version: string };
  return about.version;
}
