// npm's packages, as package-lock.json says: installed when node_modules is missing or is of another lock file.
import { existsSync, readFileSync } from 'node:fs';
import { failureOf, runChild } from './child.mjs';
import { inRepository } from './places.mjs';

const packagesOf = (file) => JSON.parse(readFileSync(inRepository(file), 'utf8')).packages;

/** The first difference between what is locked and what npm wrote down as installed; undefined when there is none. */
function difference() {
  const record = 'node_modules/.package-lock.json';
  if (!existsSync(inRepository(record))) return 'node_modules is missing';
  const installed = packagesOf(record);
  for (const [path, { version, optional }] of Object.entries(packagesOf('package-lock.json'))) {
    if (path === '' || (optional && !installed[path])) continue;
    if (installed[path]?.version !== version) return `${path} is not ${version}`;
  }
  return undefined;
}

/**
 * Makes node_modules match package-lock.json; does nothing when it does.
 * @throws Error with npm's last words when it cannot.
 */
export async function ensureDependencies() {
  const why = difference();
  if (why === undefined) return;
  console.log(`npm ci (${why})`);
  const result = await runChild('npm', ['ci', '--no-progress'], { limitS: 600, quiet: true });
  const failure = failureOf(result);
  // npm says what is wrong first and prints its own help after it.
  const words = result.output.split('\n').filter((line) => !line.includes('EBADENGINE'));
  if (failure) throw new Error(`npm ci ${failure}\n${words.slice(0, 20).join('\n')}`);
}
