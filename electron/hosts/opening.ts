/** Opens what was named on the command line and shows its first batches on the terminal, while windows may already look. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { BatchRow } from '../contract/batch';
import { AppError } from '../contract/errors';
import type { Contract, Decision } from '../contract/layer';
import { tableHead, tableRow } from './batch-table';
import type { HostClient } from './host-client';

export interface Opening {
  /** folder of a checkpoint or of a session */
  path: string;
  threshold: number | undefined;
  contract: Contract | undefined;
  /** batches to show; 0 opens without running */
  batches: number;
}

/** Where the report goes. */
export interface Report {
  /** a line of the table, or what was opened */
  text(line: string): void;
  /** the same as data */
  data(event: Record<string, unknown>): void;
  progress(label: string, done: number, total: number): void;
}

/** How long the first batches may take before the report goes on without the rest, milliseconds. */
const patienceMs = 60_000;

/** A session is a folder with a manifest and its events; the name is the user's. */
const isSession = (path: string) => path.endsWith('.moesession') || existsSync(join(path, 'session.mcap'));

/** @throws AppError as the engine answers: bad input, something that cannot run here, `engine-gone`. */
export async function openAndReport(client: HostClient, opening: Opening, report: Report): Promise<void> {
  client.on('progress', ({ label, done, total }) => report.progress(label, done, total));
  const path = resolve(opening.path);
  if (isSession(path)) {
    const { name, batches, device } = await client.request('session.open', { path });
    report.text(`session ${name}: ${batches} batches, recorded on ${device.name}`);
    report.data({ event: 'opened', kind: 'session', path, batches });
    if (opening.batches === 0 || batches === 0) return;
    const { rows } = await client.request('batches.rows', { first: 0, count: Math.min(opening.batches, 500) });
    await showRows(client, rows, report);
    return;
  }
  const checkpoint = await client.request('checkpoint.open', { path });
  const layer = await client.request('layer.load', {
    ...(opening.threshold !== undefined && {
      threshold: opening.threshold,
      thresholdOrigin: { kind: 'argument', where: '--threshold' } as const,
    }),
    contract: opening.contract,
  });
  const { state } = await client.hello();
  const { hidden, intermediate, experts, topK } = layer.shape;
  const shape = `H ${hidden}, I ${intermediate}, ${experts} experts, top-${topK}`;
  const { tokens, origin } = state.threshold;
  report.text(`${checkpoint.name} layer ${layer.index}: ${shape}; contract ${layer.contract}`);
  report.text(
    `threshold ${tokens} tokens (${origin.where}); rules ${state.rules}; NRMSE of the path taken against the other`,
  );
  report.text(
    `device ${state.device?.name ?? 'none'}; provider ${state.device?.provider ?? 'none'} ${state.device?.version ?? ''}`,
  );
  report.data({ event: 'opened', kind: 'checkpoint', path, layer: layer.index, threshold: state.threshold });
  if (opening.batches > 0) await runAndShow(client, opening.batches, report);
}

/** Starts the run, shows its first batches as they come, and leaves it running. */
async function runAndShow(client: HostClient, count: number, report: Report): Promise<void> {
  const queue: BatchRow[] = [];
  let wake: () => void = () => undefined;
  let lost: AppError | undefined;
  client.on('batches', ({ rows }) => {
    queue.push(...rows);
    wake();
  });
  client.on('failure', (error) => {
    lost = new AppError(error);
    wake();
  });
  await client.request('run.start', {});
  report.text(tableHead());
  const until = Date.now() + patienceMs;
  for (let shown = 0; shown < count; ) {
    const row = queue.shift();
    if (row !== undefined) {
      await showRow(client, row, report);
      shown++;
      continue;
    }
    if (lost !== undefined) throw lost;
    if (Date.now() > until) {
      report.text(`(${shown} of ${count} batches in ${patienceMs / 1000} s; the run goes on)`);
      return;
    }
    await new Promise<void>((done) => {
      const limit = setTimeout(done, 1000);
      wake = () => {
        clearTimeout(limit);
        done();
      };
    });
  }
}

async function showRows(client: HostClient, rows: BatchRow[], report: Report): Promise<void> {
  report.text(tableHead());
  for (const row of rows) await showRow(client, row, report);
}

async function showRow(client: HostClient, row: BatchRow, report: Report): Promise<void> {
  const decision = await decisionOf(client, row);
  report.text(tableRow(row, decision));
  report.data({ event: 'batch', ...row, decision });
}

/** The chain of a batch; null when it is not kept any more, which is no reason to end the table. */
async function decisionOf(client: HostClient, row: BatchRow): Promise<Decision | null> {
  try {
    return (await client.request('batch.detail', { batch: row.index })).decision;
  } catch (thrown) {
    if (AppError.from(thrown).code === 'engine-gone') throw thrown;
    return null;
  }
}
