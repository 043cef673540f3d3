// Runs nvcc, or copies the object of an earlier run with the same compiler, arguments, source and headers. ccache would ask
// nvcc for preprocessed text, which holds one architecture of several: code under another `__CUDA_ARCH__` would be missed.
// Usage, as CMake writes it: node nvcc-cache.mjs NVCC ARGUMENTS... -MF DEPFILE -c SOURCE -o OBJECT
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isMain } from './entry.mjs';
import { cacheFolder, repository } from './places.mjs';

/** The cache is kept below this, oldest out first, bytes. */
const mostBytes = 512 * 1024 * 1024;

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const valueAfter = (args, option) => args[args.indexOf(option) + 1];

/** The same for every checkout: what is in the repository is named from its root. */
const portable = (text) => text.replaceAll(repository, '@');
const here = (text) => text.replace(/^@/, repository);

/** Everything but the files that decides what the object holds. Where it and its list of headers go does not. */
export function keyOf(nvcc, args) {
  const places = new Set(['-o', '-MF', '-MT']);
  const kept = args.filter((arg, i) => !places.has(arg) && !places.has(args[i - 1])).map(portable);
  const { stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' });
  return sha256(JSON.stringify([1, stdout, kept]));
}

/** The files in a list of dependencies as compilers write it for make. */
export function filesOf(depfile) {
  const list = depfile.slice(depfile.indexOf(': ') + 2).replaceAll(/\\\r?\n/g, ' ');
  return [...list.matchAll(/(?:\\ |\S)+/g)].map(([path]) => path.replaceAll('\\ ', ' '));
}

/** An earlier result whose every file still has the same contents; undefined when there is none. */
function findResult(manifest) {
  if (!existsSync(manifest)) return undefined;
  const seen = new Map();
  const current = (path) => {
    if (!seen.has(path)) seen.set(path, existsSync(here(path)) ? sha256(readFileSync(here(path))) : '');
    return seen.get(path);
  };
  return JSON.parse(readFileSync(manifest, 'utf8')).find(({ files }) =>
    files.every(([path, digest]) => current(path) === digest),
  );
}

/** Whole or not at all, also when two builds write it. */
function writeWhole(path, data) {
  const partial = `${path}.${process.pid}`;
  writeFileSync(partial, data);
  renameSync(partial, path);
}

function store(folder, manifest, object, depfile) {
  const data = readFileSync(object);
  const name = `${sha256(data)}.o`;
  const files = filesOf(readFileSync(depfile, 'utf8')).map((path) => [portable(path), sha256(readFileSync(path))]);
  writeWhole(join(folder, name), data);
  const earlier = existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')) : [];
  writeWhole(manifest, JSON.stringify([{ files, object: name }, ...earlier].slice(0, 8)));
  const entries = readdirSync(folder)
    .map((entry) => ({ path: join(folder, entry), ...statSizes(join(folder, entry)) }))
    .sort((a, b) => b.used - a.used);
  let total = 0;
  for (const { path, bytes } of entries) {
    total += bytes;
    if (total > mostBytes) rmSync(path, { force: true });
  }
}

function statSizes(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  return { bytes: found?.size ?? 0, used: found?.mtimeMs ?? 0 };
}

function main([nvcc, ...args]) {
  const object = valueAfter(args, '-o');
  const depfile = valueAfter(args, '-MF');
  const folder = cacheFolder('cuda-objects');
  const manifest = join(folder, `${keyOf(nvcc, args)}.json`);
  const result = findResult(manifest);
  const kept = result && join(folder, result.object);
  if (kept && existsSync(kept)) {
    const now = new Date();
    for (const path of [kept, manifest]) utimesSync(path, now, now);
    copyFileSync(kept, object);
    const list = result.files.map(([path]) => here(path).replaceAll(' ', '\\ ')).join(' \\\n ');
    writeFileSync(depfile, `${object}: ${list}\n`);
    return 0;
  }
  const { status, error } = spawnSync(nvcc, args, { stdio: 'inherit' });
  if (error) throw error;
  if (status === 0) store(folder, manifest, object, depfile);
  return status ?? 1;
}

if (isMain(import.meta.url)) process.exitCode = main(process.argv.slice(2));
