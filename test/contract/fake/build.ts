/** Bundles the stand-in engine process as the real one is bundled: a child of Node cannot run TypeScript. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';
import { nodeBundle } from '../../../scripts/vite/node-bundle';

export async function buildFakeProcess(): Promise<{ entry: string; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'moescope-fake-'));
  const config = nodeBundle({ name: 'engine-process', entry: 'test/contract/fake/process.ts', target: 'node16' });
  await build({ ...config, logLevel: 'error', build: { ...config.build, outDir: folder, sourcemap: false } });
  return { entry: join(folder, 'engine-process.cjs'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}
