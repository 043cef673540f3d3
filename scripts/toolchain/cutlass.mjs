// Gets the headers of CUTLASS, which the GEMMs of native/cuda/cutlass are made of: a wheel on PyPI holds them. They stay
// in the cache folder and are never committed.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, runChild } from './child.mjs';
import { isMain, tellAndExit } from './entry.mjs';
import { cacheFolder } from './places.mjs';
import { ensureWholeFolder } from './whole-folder.mjs';

/** The pin. Hash: of the wheel as PyPI serves it. Licence of the headers: BSD-3-Clause. */
export const pinnedCutlass = {
  version: '4.2.0.0',
  wheel: 'nvidia-cutlass==4.2.0.0',
  sha256: 'f9599ada45c7bcb6bf53f7d3f0a7d154183e53451c01bfa59eecd37dd4a693f6',
};

const wayOut = 'or name a folder with CUTLASS 4.2 headers (cutlass/ and cute/) in CUTLASS_DIR';

/** A file of every CUTLASS: a folder of headers is one that holds it. */
const versionHeader = join('cutlass', 'version.h');

/** Takes the headers and the licence out of the wheel; Python is there because pip is. */
const unpackWheel = `
import os, sys, zipfile
wheel, target = zipfile.ZipFile(sys.argv[1]), sys.argv[2]
prefix = 'cutlass_library/source/include/'
count = 0
for entry in wheel.infolist():
    name = entry.filename
    inside = name[len(prefix):] if name.startswith(prefix) else 'LICENSE.txt' if name.endswith('/licenses/LICENSE.txt') else ''
    if not inside or name.endswith('/'):
        continue
    assert not os.path.isabs(inside) and '..' not in inside.split('/'), 'unexpected member ' + name
    path = os.path.join(target, *inside.split('/'))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
        file.write(wheel.read(entry))
    count += 1
assert count > 500, 'expected the CUTLASS headers in the wheel, found %d files' % count
`;

async function mustRun(what, args, limitS) {
  let result;
  try {
    result = await runChild('python3', args, { limitS, quiet: true });
  } catch (error) {
    throw new Error(
      `${what}: python3 cannot be started (${error.code ?? error.message}); install Python 3 with pip, ${wayOut}`,
    );
  }
  const failure = failureOf(result);
  if (failure) throw new Error(`${what}: python3 ${failure}\n${result.output.trim().split('\n').slice(-5).join('\n')}`);
}

async function fetchHeaders(work) {
  const download = join(work, 'download');
  mkdirSync(download, { recursive: true });
  console.log(`fetching the headers of CUTLASS ${pinnedCutlass.version} (6 MB from PyPI) into ${cutlassFolder()}`);
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check'];
  try {
    await mustRun('download of the CUTLASS headers', [...pip, '--dest', download, pinnedCutlass.wheel], 200);
  } catch (error) {
    throw new Error(`${error.message}\nPyPI must be reachable through pip for this, ${wayOut}`);
  }
  const wheels = readdirSync(download).filter((name) => name.endsWith('.whl'));
  if (wheels.length !== 1) throw new Error(`expected one wheel of ${pinnedCutlass.wheel}, found ${wheels.length}`);
  const wheel = join(download, wheels[0]);
  const found = createHash('sha256').update(readFileSync(wheel)).digest('hex');
  if (found !== pinnedCutlass.sha256) {
    throw new Error(`${wheels[0]}: sha256 is ${found}, expected ${pinnedCutlass.sha256}; not used`);
  }
  await mustRun('unpack of the CUTLASS headers', ['-c', unpackWheel, wheel, work], 120);
  rmSync(download, { recursive: true });
}

/** Where the headers are, or will be once they are fetched: the folder that holds cutlass/ and cute/. */
export const cutlassFolder = () => process.env.CUTLASS_DIR || join(cacheFolder(), `cutlass-${pinnedCutlass.version}`);

/**
 * Include folders of the pinned CUTLASS headers: CUTLASS_DIR if set, else the pinned wheel's, fetched on first use into the
 * cache folder. Safe to call from several processes at once.
 * @returns {Promise<string[]>} absolute paths for the compiler's -I; the first holds cutlass/ and cute/.
 * @throws Error saying what is missing and what to do: no pip, no PyPI, a wheel with another hash.
 */
export async function ensureCutlass() {
  const own = process.env.CUTLASS_DIR;
  if (own) {
    if (!existsSync(join(own, versionHeader))) {
      throw new Error(`CUTLASS_DIR names ${own}, expected a folder that holds ${versionHeader}; none there`);
    }
    return [own];
  }
  const isWhole = (folder) => existsSync(join(folder, versionHeader));
  const waiting = () => console.log('cutlass: another process is fetching the headers, waiting');
  return [await ensureWholeFolder(cutlassFolder(), fetchHeaders, { isWhole, waiting })];
}

if (isMain(import.meta.url)) {
  await tellAndExit(async () => {
    console.log((await ensureCutlass()).join('\n'));
  });
}
