/** Finds and loads the addon. Nothing is loaded at import time, so that code which never needs it runs without it. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../contract/errors';
import type { NativeBinding } from './binding';

/** Path of a built addon; beats every other place. */
export const addonVariable = 'MOESCOPE_ADDON';

const builtName = join('build', 'native', 'moescope.node');
const packagedName = 'moescope.node';

export interface AddonPlace {
  path: string;
  /** why this place is looked at: the variable, a folder walked up from, the packaged app */
  why: string;
}

export interface LoadedAddon {
  binding: NativeBinding;
  path: string;
}

function* upwards(start: string): Generator<string> {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    yield folder;
    if (dirname(folder) === folder) return;
  }
}

/**
 * Where the addon may lie, best first: the variable alone when it is set, else the packaged application's resources,
 * then build/native walking up from this module and from the working folder.
 */
export function addonPlaces(
  env: Record<string, string | undefined> = process.env,
  start: { module: string; cwd: string; resources?: string } = {
    module: dirname(fileURLToPath(import.meta.url)),
    cwd: process.cwd(),
    ...resourcesOf(process),
  },
): AddonPlace[] {
  const named = env[addonVariable];
  if (named) return [{ path: resolve(start.cwd, named), why: `${addonVariable} is set` }];
  const places: AddonPlace[] = [];
  if (start.resources) {
    places.push({ path: join(start.resources, packagedName), why: 'resources of the packaged application' });
  }
  const seen = new Set<string>();
  for (const [origin, why] of [
    [start.module, 'above the program'],
    [start.cwd, 'above the working folder'],
  ] as const) {
    for (const folder of upwards(origin)) {
      const path = join(folder, builtName);
      if (seen.has(path)) continue;
      seen.add(path);
      places.push({ path, why });
    }
  }
  return places;
}

function resourcesOf(host: object): { resources?: string } {
  const path = (host as { resourcesPath?: unknown }).resourcesPath;
  return typeof path === 'string' ? { resources: path } : {};
}

let loaded: LoadedAddon | undefined;

/**
 * Loads the addon once for the process.
 * @throws AppError `unsupported` with every place that was tried and why it failed, and how to build it.
 */
export function loadAddon(places: AddonPlace[] = addonPlaces()): LoadedAddon {
  if (loaded) return loaded;
  const load = createRequire(import.meta.url);
  const failures: string[] = [];
  for (const { path, why } of places) {
    if (!existsSync(path)) {
      failures.push(`${path}: no such file (${why})`);
      continue;
    }
    try {
      loaded = { binding: load(path) as NativeBinding, path };
      return loaded;
    } catch (thrown) {
      failures.push(`${path}: ${thrown instanceof Error ? thrown.message : String(thrown)} (${why})`);
    }
  }
  throw new AppError({
    code: 'unsupported',
    message: 'The native addon could not be loaded.',
    subject: packagedName,
    found: failures.join('; '),
    remedy: `Build it with \`npm run build:native\`, or set ${addonVariable} to a built moescope.node.`,
  });
}

/** The addon's surface; see `loadAddon`. */
export function loadBinding(): NativeBinding {
  return loadAddon().binding;
}
