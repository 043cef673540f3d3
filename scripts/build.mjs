// Builds everything that runs: the native part and the five bundles. `--partial` skips entries that are not written yet.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import { buildNative } from './build-native.mjs';
import { failureOf, runChild } from './toolchain/child.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { withLock } from './toolchain/lock.mjs';
import { inRepository } from './toolchain/places.mjs';

const bundles = [
  { name: 'main', entry: 'electron/main.ts', result: '.vite/build/main.cjs' },
  { name: 'preload', entry: 'electron/preload.ts', result: '.vite/build/preload.cjs' },
  { name: 'engine-process', entry: 'electron/hosts/engine-process.ts', result: '.vite/build/engine-process.cjs' },
  { name: 'cli', entry: 'electron/cli/main.ts', result: '.vite/build/cli.cjs' },
  { name: 'renderer', entry: 'renderer/index.html', result: '.vite/renderer/main_window/index.html' },
];

/** What the bundles are made of; a changed size or time of any of these files makes them out of date. */
const inputs = ['electron', 'renderer', 'scripts/vite', 'package.json', 'package-lock.json', 'tsconfig.json'];

function fingerprint() {
  const hash = createHash('sha256');
  const add = (path) => {
    const { size, mtimeMs } = statSync(inRepository(path));
    hash.update(`${path}\0${size}\0${mtimeMs}\n`);
  };
  for (const input of inputs) {
    if (!existsSync(inRepository(input))) continue;
    if (!statSync(inRepository(input)).isDirectory()) add(input);
    else for (const name of readdirSync(inRepository(input), { recursive: true }).sort()) add(join(input, name));
  }
  return hash.digest('hex');
}

/**
 * Builds the bundles that are out of date (all or none: they share most of their sources).
 * @param {{ partial?: boolean, force?: boolean }} options partial: an entry that does not exist is reported, not failed on.
 * @throws Error naming the bundle, with Vite's message.
 */
export async function buildBundles({ partial = false, force = false } = {}) {
  mkdirSync(inRepository('.vite'), { recursive: true });
  const waiting = () => console.log('bundles: another build is running, waiting');
  await withLock(inRepository('.vite', 'build.lock'), () => buildOutOfDate({ partial, force }), { waiting });
}

async function buildOutOfDate({ partial, force }) {
  const stamp = inRepository('.vite', 'bundles.stamp');
  const before = fingerprint();
  const complete = bundles.every(({ result }) => existsSync(inRepository(result)));
  if (!force && complete && existsSync(stamp) && readFileSync(stamp, 'utf8') === before) {
    console.log('bundles: up to date');
    return;
  }
  const missing = bundles.filter(({ entry }) => !existsSync(inRepository(entry)));
  if (missing.length > 0 && !partial) {
    throw new Error(
      `cannot build: ${missing.map(({ entry }) => entry).join(', ')} missing (--partial builds the others)`,
    );
  }
  for (const { entry } of missing) console.log(`bundles: no ${entry}, skipped`);

  for (const { name } of bundles.filter((bundle) => !missing.includes(bundle))) await viteBuild(name);
  // Taken before the build: what was edited meanwhile is built again next time.
  if (missing.length === 0) writeFileSync(stamp, before);
}

/** Vite's message, without its colours and without where in Vite it was thrown. */
function messageOf(output) {
  const plain = stripVTControlCharacters(output).trim().split('\n');
  const stack = plain.findIndex((line) => /^\s+at .*node_modules/.test(line));
  return plain
    .slice(0, stack === -1 ? 40 : stack)
    .join('\n')
    .trim();
}

async function viteBuild(name) {
  const vite = inRepository('node_modules/vite/bin/vite.js');
  const args = [vite, 'build', '--config', `scripts/vite/${name}.config.ts`];
  const result = await runChild(process.execPath, args, { limitS: 180, quiet: true });
  const failure = failureOf(result);
  if (failure) throw new Error(`bundle ${name}: vite ${failure}\n${messageOf(result.output)}`);
  if (result.output.trim()) console.log(result.output.trim());
  console.log(`bundle ${name}: ${result.seconds.toFixed(1)} s`);
}

if (isMain(import.meta.url)) {
  await tellAndExit(async () => {
    const { values } = parseArgs({
      options: { partial: { type: 'boolean' }, force: { type: 'boolean' }, 'bundles-only': { type: 'boolean' } },
    });
    if (!values['bundles-only']) await buildNative({ tests: true });
    await buildBundles(values);
  });
}
