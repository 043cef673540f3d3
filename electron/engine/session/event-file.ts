/** Reading of session.mcap: by its index when the file is finished, as a stream up to the first damage when it is not. */

import { type FileHandle, open } from 'node:fs/promises';
import { McapIndexedReader, McapRecordBuilder, McapStreamReader, type McapTypes } from '@mcap/core';
import { AppError } from '../../contract/errors';
import { fileError } from '../checkpoint/file-errors';
import { type RecordOf, type Topic, topics } from './records';

/** One event as it lies in the file, not parsed yet. */
export interface RawEvent {
  topic: string;
  logTime: bigint;
  data: Uint8Array;
}

const windowBytes = 1024 * 1024;

/** Random reads over a file with one read-ahead window: events are small and mostly read in order. */
class WindowedFile {
  private readonly file: FileHandle;
  private readonly bytes: number;
  private window = new Uint8Array(0);
  private windowStart = 0;

  constructor(file: FileHandle, bytes: number) {
    this.file = file;
    this.bytes = bytes;
  }

  async size(): Promise<bigint> {
    return BigInt(this.bytes);
  }

  async read(offset: bigint, size: bigint): Promise<Uint8Array> {
    const start = Number(offset);
    const length = Number(size);
    if (start < this.windowStart || start + length > this.windowStart + this.window.length) {
      const wanted = Math.max(length, Math.min(windowBytes, this.bytes - start));
      const buffer = new Uint8Array(Math.max(0, wanted));
      let done = 0;
      while (done < buffer.length) {
        const { bytesRead } = await this.file.read(buffer, done, buffer.length - done, start + done);
        if (bytesRead === 0) throw new Error('the file ends before a record that its index names');
        done += bytesRead;
      }
      this.window = buffer;
      this.windowStart = start;
    }
    return this.window.slice(start - this.windowStart, start - this.windowStart + length);
  }
}

/** A finished session.mcap. Each chunk holds one event (see EventLog); files of other writers may have more in a chunk. */
export class EventFile {
  private readonly file: FileHandle;
  private readonly readable: WindowedFile;
  private readonly reader: McapIndexedReader;
  /** Every schema and channel as records: a chunk read alone has only those that it was the first to use. */
  private readonly definitions: Uint8Array;
  readonly bytes: number;

  private constructor(file: FileHandle, readable: WindowedFile, reader: McapIndexedReader, bytes: number) {
    this.file = file;
    this.readable = readable;
    this.reader = reader;
    this.bytes = bytes;
    const builder = new McapRecordBuilder();
    for (const schema of reader.schemasById.values()) builder.writeSchema(schema);
    for (const channel of reader.channelsById.values()) builder.writeChannel(channel);
    this.definitions = builder.buffer.slice();
  }

  /** Null when the file has no usable index: cut off, still being written, or damaged at its end. */
  static async open(path: string): Promise<EventFile | null> {
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (thrown) {
      throw fileError(thrown, path);
    }
    try {
      const { size } = await file.stat();
      const readable = new WindowedFile(file, size);
      const reader = await McapIndexedReader.Initialize({ readable });
      return new EventFile(file, readable, reader, size);
    } catch {
      // Whatever the reader objects to, the answer is the same: read what is complete instead.
      await file.close();
      return null;
    }
  }

  get chunks(): number {
    return this.reader.chunkIndexes.length;
  }

  /** Whether a chunk may hold events of a topic, by the index alone. */
  mayHold(chunk: number, topic: Topic): boolean {
    const index = this.reader.chunkIndexes[chunk] as McapTypes.TypedMcapRecords['ChunkIndex'];
    if (index.messageIndexOffsets.size === 0) return true;
    return [...index.messageIndexOffsets.keys()].some((id) => this.reader.channelsById.get(id)?.topic === `/${topic}`);
  }

  /** Events of one chunk. Throws `session-damaged` when its bytes do not fit their checksum. */
  async chunk(chunk: number): Promise<RawEvent[]> {
    const index = this.reader.chunkIndexes[chunk] as McapTypes.TypedMcapRecords['ChunkIndex'];
    try {
      const bytes = await this.readable.read(index.chunkStartOffset, index.chunkLength);
      const stream = new McapStreamReader({ noMagicPrefix: true });
      stream.append(this.definitions);
      stream.append(bytes);
      const found: RawEvent[] = [];
      for (let record = stream.nextRecord(); record; record = stream.nextRecord()) {
        if (record.type !== 'Message') continue;
        const topic = this.reader.channelsById.get(record.channelId)?.topic ?? '';
        found.push({ topic, logTime: record.logTime, data: record.data });
      }
      return found;
    } catch (thrown) {
      throw new AppError({
        code: 'session-damaged',
        message: `Event ${chunk} of the session is damaged: ${messageOf(thrown)}.`,
        subject: `event ${chunk}`,
      });
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

export interface StreamEnd {
  /** bytes of the file that belong to complete events (and what comes before them) */
  readBytes: number;
  totalBytes: number;
  /** why reading ended before the end of the file; empty at its end */
  reason: string;
}

/** Gives every complete event of a file that may be cut anywhere or damaged. Throws only for a file that cannot be read. */
export async function streamEvents(path: string, take: (event: RawEvent) => Promise<void>): Promise<StreamEnd> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (thrown) {
    throw fileError(thrown, path);
  }
  try {
    const { size } = await file.stat();
    const stream = new McapStreamReader();
    const names = new Map<number, string>();
    const buffer = new Uint8Array(windowBytes);
    let position = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      try {
        stream.append(buffer.slice(0, bytesRead));
        for (let record = stream.nextRecord(); record; record = stream.nextRecord()) {
          if (record.type === 'Channel') names.set(record.id, record.topic);
          if (record.type === 'Message')
            await take({ topic: names.get(record.channelId) ?? '', logTime: record.logTime, data: record.data });
        }
      } catch (thrown) {
        if (thrown instanceof AppError) throw thrown;
        return { readBytes: position - stream.bytesRemaining(), totalBytes: size, reason: messageOf(thrown) };
      }
      if (stream.done()) return { readBytes: size, totalBytes: size, reason: '' };
    }
    const left = stream.bytesRemaining();
    return {
      readBytes: position - left,
      totalBytes: size,
      reason: left > 0 ? 'the last event is cut off' : 'the index is missing',
    };
  } catch (thrown) {
    throw fileError(thrown, path);
  } finally {
    await file.close();
  }
}

/** The topic of a raw event if this version knows it. */
export function topicOf(event: RawEvent): Topic | null {
  const name = event.topic.slice(1);
  return event.topic.startsWith('/') && Object.hasOwn(topics, name) ? (name as Topic) : null;
}

/** The record of an event. Throws `session-damaged` when it is not what its topic says. */
export function parseEvent<T extends Topic>(topic: T, event: RawEvent): RecordOf<T> {
  try {
    return topics[topic].parse(JSON.parse(new TextDecoder().decode(event.data))) as RecordOf<T>;
  } catch (thrown) {
    throw new AppError({
      code: 'session-damaged',
      message: `An event of topic ${topic} is not what the format says.`,
      subject: topic,
      found: messageOf(thrown).slice(0, 200),
    });
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
