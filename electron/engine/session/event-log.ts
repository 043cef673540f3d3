/**
 * Writer of session.mcap. McapWriter has no flush, and a chunk that is still open is lost with the process: with the
 * default chunk of 1 MiB a thousand small events left 26 bytes on disk (anchors: measured). So each event is a chunk of
 * its own and is handed to the system before `append` returns: the `intent` of a launch that kills the process is in the
 * file. Measured: 115 bytes an event beside records of 1.6 to 1.9 KB; a batch has two of them. One queue: McapWriter must not be
 * called again before its last call ended (its doc comment; interleaved calls make a corrupt file).
 */

import { type FileHandle, open } from 'node:fs/promises';
import { McapWriter } from '@mcap/core';
import { z } from 'zod';
import type { AppError } from '../../contract/errors';
import { fileError } from '../checkpoint/file-errors';
import { type ByteSink, writeFully } from './durable-file';
import { type RecordOf, type Topic, topics } from './records';

export const mcapProfile = 'moescope';
/** Below the size of any record, so that every message closes its chunk. */
const chunkSize = 1;

/** McapWriter's idea of a file: appends only, position in bytes. */
export class AppendWritable {
  private at = 0n;
  private readonly sink: ByteSink;

  constructor(sink: ByteSink) {
    this.sink = sink;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writeFully(this.sink, bytes, Number(this.at));
    this.at += BigInt(bytes.length);
  }

  position(): bigint {
    return this.at;
  }
}

export interface EventLogOptions {
  /** How old unsynced events may get, ms. A crash of the process loses nothing either way; a power cut loses so much. */
  syncEveryMs?: number;
  /** What is written to; tests give one that fails. */
  wrap?: (file: FileHandle) => ByteSink;
}

export class EventLog {
  private readonly path: string;
  private readonly file: FileHandle;
  private readonly writable: AppendWritable;
  private readonly writer: McapWriter;
  private readonly syncEveryMs: number;
  private readonly channels = new Map<Topic, number>();
  private queue: Promise<void> = Promise.resolve();
  private failure: AppError | null = null;
  private lastTime = 0n;
  private lastSync = Date.now();
  private goodBytes = 0;
  private sequence = 0;

  private constructor(path: string, file: FileHandle, options: EventLogOptions) {
    this.path = path;
    this.file = file;
    this.writable = new AppendWritable(options.wrap?.(file) ?? file);
    this.writer = new McapWriter({ writable: this.writable, chunkSize });
    this.syncEveryMs = options.syncEveryMs ?? 1000;
  }

  /** Creates the file (it must not exist) with the schemas of all topics. Throws `disk-full` or `file-unreadable`. */
  static async create(path: string, library: string, options: EventLogOptions = {}): Promise<EventLog> {
    let file: FileHandle;
    try {
      file = await open(path, 'wx');
    } catch (thrown) {
      throw fileError(thrown, path);
    }
    const log = new EventLog(path, file, options);
    await log.enqueue(async () => {
      await log.writer.start({ profile: mcapProfile, library });
      for (const [topic, schema] of Object.entries(topics)) {
        const schemaId = await log.writer.registerSchema({
          name: `moescope.${topic}`,
          encoding: 'jsonschema',
          data: new TextEncoder().encode(JSON.stringify(z.toJSONSchema(schema, { unrepresentable: 'any' }))),
        });
        const channel = { topic: `/${topic}`, messageEncoding: 'json', schemaId, metadata: new Map() };
        log.channels.set(topic as Topic, await log.writer.registerChannel(channel));
      }
    });
    return log;
  }

  /** Bytes in the file that belong to complete events. */
  get bytes(): number {
    return this.goodBytes;
  }

  /**
   * Writes one event; resolves when the system has it. After a failed write every call rejects with that error: what was
   * written before stays whole, the torn end is cut off.
   * @param time nanoseconds since 1970; now when absent. Kept strictly rising, so that a time names one event.
   */
  append<T extends Topic>(topic: T, record: RecordOf<T>, time = BigInt(Date.now()) * 1_000_000n): Promise<void> {
    return this.enqueue(async () => {
      const data = new TextEncoder().encode(JSON.stringify(topics[topic].parse(record)));
      this.lastTime = time > this.lastTime ? time : this.lastTime + 1n;
      await this.writer.addMessage({
        channelId: this.channels.get(topic) as number,
        sequence: this.sequence++,
        logTime: this.lastTime,
        publishTime: this.lastTime,
        data,
      });
      if (Date.now() - this.lastSync >= this.syncEveryMs) await this.syncFile();
    });
  }

  /** Writes the index and closes the file. */
  async finish(): Promise<void> {
    try {
      await this.enqueue(async () => {
        await this.writer.end();
        await this.syncFile();
      });
    } finally {
      await this.file.close();
    }
  }

  private async syncFile(): Promise<void> {
    await this.file.sync();
    this.lastSync = Date.now();
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    const result = this.queue.then(async () => {
      if (this.failure) throw this.failure;
      try {
        await work();
        this.goodBytes = Number(this.writable.position());
      } catch (thrown) {
        this.failure = fileError(thrown, this.path);
        await this.file.truncate(this.goodBytes).catch(() => undefined);
        throw this.failure;
      }
    });
    this.queue = result.catch(() => undefined);
    return result;
  }
}
