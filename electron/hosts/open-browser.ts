/** Opens an address in the user's browser without showing its token to the other users of the machine. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const openers: Partial<Record<NodeJS.Platform, [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
  linux: ['xdg-open'],
};

/**
 * The command line of a process can be read by everybody, so the browser gets a file that only this user can read and
 * that sends it on.
 * @param onFailure called with a sentence when there is no way to open a browser.
 * @returns removes the file.
 */
export function openBrowser(url: string, onFailure: (why: string) => void): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'moescope-open-'));
  const file = join(folder, 'open.html');
  const page = `<!doctype html><meta http-equiv="refresh" content="0; url=${url}"><title>MoEscope</title>`;
  writeFileSync(file, page, { mode: 0o600 });
  const [program, ...args] = openers[process.platform] ?? ['xdg-open'];
  const child = spawn(program, [...args, pathToFileURL(file).href], { stdio: 'ignore', detached: true });
  child.once('error', (error) => onFailure(`no browser could be opened (${error.message}); open the address yourself`));
  child.unref();
  return () => rmSync(folder, { recursive: true, force: true });
}
