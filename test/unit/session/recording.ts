/** Real recordings for tests: the tiny checkpoint through the real engine, a few batches. */
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BatchRow } from '../../../electron/contract/batch';
import { ruleSource } from '../../../electron/engine/dispatch/rules';
import { Inspector } from '../../../electron/engine/inspector';
import { loadBinding } from '../../../electron/engine/native/load';
import { NativeLoader } from '../../../electron/engine/run/native-loader';
import { makeTinyCheckpoint } from '../../fixtures/sessions/tiny-checkpoint';

export interface Workplace {
  folder: string;
  checkpoint: string;
  remove(): Promise<void>;
}

export async function workplace(): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), 'moescope-session-'));
  const checkpoint = await makeTinyCheckpoint(loadBinding(), join(folder, 'checkpoint'));
  return { folder, checkpoint, remove: () => rm(folder, { recursive: true, force: true }) };
}

export async function openInspector(checkpoint: string, threshold = 64) {
  const binding = loadBinding();
  const failures: string[] = [];
  const inspector = new Inspector({
    binding,
    loader: new NativeLoader({ binding, rules: ruleSource({}), env: {} }),
    tool: 'moescope test',
    events: {
      changed: () => undefined,
      row: () => undefined,
      sourceChanged: () => undefined,
      warning: () => undefined,
      failure: ({ code }) => failures.push(code),
    },
  });
  const { signal } = new AbortController();
  await inspector.openCheckpoint(checkpoint, signal);
  await inspector.loadLayer({ threshold, thresholdOrigin: { kind: 'argument', where: '--threshold' } }, {}, signal);
  return { inspector, failures, binding };
}

/** Records one batch for each token count and ends in order. */
export async function record(
  checkpoint: string,
  path: string,
  tokens: number[],
  options: { taps?: boolean; weights?: boolean; seed?: number } = {},
): Promise<BatchRow[]> {
  const { inspector } = await openInspector(checkpoint);
  await inspector.setWorkload({ seed: options.seed ?? 1 });
  await inspector.record(path, { taps: options.taps ?? false, weights: options.weights ?? false });
  const rows: BatchRow[] = [];
  for (const count of tokens) rows.push(await inspector.step(count));
  await inspector.stopRecording();
  await inspector.close();
  return rows;
}

/** The same session under another name; tensor files are shared, events and manifest are copies that a test may break. */
export async function copySession(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, filter: (path) => !path.includes('/blobs') });
  await symlink(join(from, 'blobs'), join(to, 'blobs'));
}
