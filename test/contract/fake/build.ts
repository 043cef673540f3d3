/** Bundles an engine process as `npm run build` does, in a folder of its own: a child of Node cannot run TypeScript. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { type NodeBundle, nodeBundle } from '../../../scripts/vite/node-bundle';

export interface BuiltProcess {
  /** bundle of the engine process */
  entry: string;
  /** bundle of the command line, where it was asked for */
  cli: string;
  remove: () => void;
}

/** @param withCli puts the command line beside it, and a page that is the window. */
async function buildProcess(entry: string, withCli = false): Promise<BuiltProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'moescope-process-'));
  // The bundle looks for the version of the tool where it lies in the repository.
  const outDir = join(folder, '.vite', 'build');
  mkdirSync(outDir, { recursive: true });
  copyFileSync(new URL('../../../package.json', import.meta.url), join(folder, 'package.json'));
  const bundles: NodeBundle[] = [{ name: 'engine-process', entry, target: 'node16' }];
  if (withCli) {
    bundles.push({ name: 'cli', entry: 'electron/cli/main.ts', target: 'node16' });
    mkdirSync(join(folder, '.vite', 'renderer', 'main_window'), { recursive: true });
  }
  for (const bundle of bundles) {
    const config = nodeBundle(bundle);
    await build({ ...config, logLevel: 'error', build: { ...config.build, outDir, sourcemap: false } });
  }
  const entryOf = (name: string) => join(outDir, `${name}.cjs`);
  return {
    entry: entryOf('engine-process'),
    cli: entryOf('cli'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const buildFakeProcess = () => buildProcess('test/contract/fake/process.ts');
export const buildRealProcess = () => buildProcess('electron/hosts/engine-process.ts');
export const buildFakeServe = () => buildProcess('test/contract/fake/process.ts', true);
