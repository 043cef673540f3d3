// Tools that come from the system: found, or installed where we may (root on Debian or Ubuntu), or asked for in one line.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { failureOf, runChild } from './child.mjs';
import { withLock } from './lock.mjs';
import { cacheFolder } from './places.mjs';

/** Absolute path of a program on PATH, or undefined. */
export function findProgram(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      if (folder && existsSync(join(folder, name))) return join(folder, name);
    }
  }
  return undefined;
}

const mayInstall = () =>
  process.platform === 'linux' && process.getuid?.() === 0 && findProgram('apt-get') !== undefined;

async function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const result = await runChild('apt-get', ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    limitS: 600,
    env,
    quiet: true,
  });
  const failure = failureOf(result);
  if (failure)
    throw new Error(`apt-get ${args.join(' ')} ${failure}:\n${result.output.trim().split('\n').slice(-6).join('\n')}`);
}

/**
 * Makes sure that system tools are there.
 * @param {string} purpose what they are for, completing "needed to ..."
 * @param {{ package: string, present: () => boolean | Promise<boolean> }[]} tools Debian package, and how to see that it is not needed.
 * @throws Error naming every missing package and the command that installs them.
 */
export async function ensureDebianPackages(purpose, tools) {
  const absent = async () => {
    const names = [];
    for (const tool of tools) if (!(await tool.present())) names.push(tool.package);
    return names;
  };
  if ((await absent()).length === 0) return;
  const ask = (names) =>
    `${names.join(', ')} needed to ${purpose}; install with: sudo apt-get install ${names.join(' ')}`;
  if (!mayInstall()) throw new Error(ask(await absent()));

  await withLock(`${cacheFolder('locks')}/apt`, async () => {
    const names = await absent();
    if (names.length === 0) return;
    console.log(`installing ${names.join(', ')} (needed to ${purpose})`);
    await apt('update');
    await apt('install', '--no-install-recommends', ...names);
    const still = await absent();
    if (still.length > 0) throw new Error(`apt-get installed them, but they cannot be used: ${ask(still)}`);
  });
}
