/**
 * Makes a session whose recording did not end in order readable again: every complete event goes into a new file with an
 * index, which then takes the old one's place. Other MCAP readers refuse a cut file, so this comes before anyone opens it.
 */

import { rename, unlink } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import { AppError } from '../../contract/errors';
import { fileError } from '../checkpoint/file-errors';
import { syncFolder } from './durable-file';
import { EventFile, parseEvent, streamEvents, topicOf } from './event-file';
import { EventLog } from './event-log';
import { eventFile, recoveredFile } from './files';
import { type Manifest, writeManifest } from './manifest';
import type { Blob, RecordOf, Topic } from './records';

export interface Recovery {
  /** events that are in the file now */
  events: number;
  /** results among them */
  results: number;
  /** what is not there any more, one sentence each */
  lost: string[];
}

/** Whether the process that records the session still runs. Only a process of this machine can be asked. */
function recorderAlive({ recordedBy, createdAt }: Manifest): boolean {
  if (recordedBy === null || recordedBy.host !== hostname()) return false;
  // Numbers of processes begin again with the machine: a recording from before it started has no recorder.
  if (Date.parse(createdAt) < Date.now() - uptime() * 1000) return false;
  if (recordedBy.pid === process.pid) return true;
  try {
    process.kill(recordedBy.pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as { code?: string }).code === 'EPERM';
  }
}

/** The tensor files that an event names. */
function blobsOf(topic: Topic, record: RecordOf<Topic>): Blob[] {
  if (topic === 'layer-tensors') return [(record as RecordOf<'layer-tensors'>).blob];
  if (topic === 'intent') return [(record as RecordOf<'intent'>).input];
  if (topic === 'result') return (record as RecordOf<'result'>).answers.map(({ blob }) => blob);
  return [];
}

/**
 * @returns null when the file is finished and has its index
 * @throws AppError `busy` while another process records it, `session-incomplete` when nothing complete is left,
 *   `disk-full`, `file-unreadable`
 */
export async function recoverSession(session: string, manifest: Manifest, tool: string): Promise<Recovery | null> {
  const path = eventFile(session);
  const finished = await EventFile.open(path);
  await finished?.close();
  if (finished) return null;
  if (recorderAlive(manifest)) {
    throw new AppError({
      code: 'busy',
      message: `The session is still being recorded by process ${manifest.recordedBy?.pid}.`,
      subject: session,
      remedy: 'Stop the recording first.',
    });
  }
  const fresh = recoveredFile(session);
  await unlink(fresh).catch(() => undefined);
  const log = await EventLog.create(fresh, tool);
  const launched = new Set<number>();
  const blobs = new Map<string, number>();
  let events = 0;
  let results = 0;
  let unreadable = 0;
  try {
    const end = await streamEvents(path, async (event) => {
      const topic = topicOf(event);
      if (topic === null) return;
      let record: ReturnType<typeof parseEvent>;
      try {
        record = parseEvent(topic, event);
      } catch {
        unreadable++;
        return;
      }
      for (const { sha256, bytes } of blobsOf(topic, record)) blobs.set(sha256, bytes);
      if (topic === 'intent') launched.add((record as { batch: number }).batch);
      if (topic === 'result') {
        launched.delete((record as { batch: number }).batch);
        results++;
      }
      await log.append(topic, record, event.logTime);
      events++;
    });
    await log.finish();
    if (events === 0) {
      await unlink(fresh).catch(() => undefined);
      throw new AppError({
        code: 'session-incomplete',
        message: `${path} holds no complete event.`,
        subject: path,
        found: `${end.totalBytes} bytes`,
        remedy: 'Nothing can be recovered; record again.',
      });
    }
    const lost: string[] = [];
    const tail = end.totalBytes - end.readBytes;
    if (tail > 0) lost.push(`${tail} bytes after the last complete event (${end.reason})`);
    if (unreadable > 0) lost.push(`${unreadable} events that are not what the format says`);
    for (const batch of launched) lost.push(`batch ${batch}: launched, but its result is not in the file`);
    await rename(fresh, path);
    await syncFolder(session);
    await writeManifest(session, {
      ...manifest,
      recordedBy: null,
      batches: results,
      blobs: blobs.size,
      blobBytes: [...blobs.values()].reduce((sum, bytes) => sum + bytes, 0),
      lost: [...manifest.lost, ...lost],
      eventBytes: log.bytes,
    });
    return { events, results, lost };
  } catch (thrown) {
    await log.finish().catch(() => undefined);
    throw fileError(thrown, path);
  }
}
