/** One reading of all events of a session: rows into columns, places of the rest. */
import { stat } from 'node:fs/promises';
import type { BatchRow } from '../../contract/batch';
import { AppError } from '../../contract/errors';
import { BatchColumns } from '../run/columns';
import { type EventFile, parseEvent, topicOf } from './event-file';
import { blobFile } from './files';
import type { Blob, Environment, LayerTensors, RecordOf } from './records';

/** Where a batch's events lie: chunk numbers, -1 for none. */
export interface Places {
  intent: number;
  result: number;
  explanation: number;
}

export interface Scan {
  environment: Environment;
  table: BatchColumns;
  places: Places[];
  layer: LayerTensors | null;
  thresholds: RecordOf<'threshold'>[];
  lost: string[];
}

/** Reads every event once: rows into columns, places of the rest. Damaged events are named and passed over. */
export async function scanEvents(session: string, file: EventFile): Promise<Scan> {
  let environment: Environment | null = null;
  let layer: LayerTensors | null = null;
  const thresholds: RecordOf<'threshold'>[] = [];
  const lost: string[] = [];
  const intents = new Map<number, number>();
  const explanations = new Map<number, number>();
  const results: { batch: number; chunk: number; row: BatchRow }[] = [];
  const seen = new Set<string>();
  const missing = async (blob: Blob) => {
    if (seen.has(blob.sha256)) return;
    seen.add(blob.sha256);
    const path = blobFile(session, blob.sha256);
    const bytes = await stat(path).then(
      ({ size }) => size,
      () => -1,
    );
    if (bytes !== blob.bytes)
      lost.push(
        bytes < 0 ? `Blob ${path} is missing.` : `Blob ${path} is damaged: ${bytes} bytes instead of ${blob.bytes}.`,
      );
  };
  for (let chunk = 0; chunk < file.chunks; chunk++) {
    try {
      for (const event of await file.chunk(chunk)) {
        const topic = topicOf(event);
        if (topic === 'environment') environment = parseEvent(topic, event);
        else if (topic === 'layer-tensors') {
          layer = parseEvent(topic, event);
          await missing(layer.blob);
        } else if (topic === 'threshold') thresholds.push(parseEvent(topic, event));
        else if (topic === 'explanation') explanations.set(parseEvent(topic, event).batch, chunk);
        else if (topic === 'intent') {
          const { batch, input } = parseEvent(topic, event);
          intents.set(batch, chunk);
          await missing(input);
        } else if (topic === 'result') {
          const { batch, row, answers } = parseEvent(topic, event);
          results.push({ batch, chunk, row });
          for (const { blob } of answers) await missing(blob);
        }
      }
    } catch (thrown) {
      lost.push(AppError.from(thrown).message);
    }
  }
  if (!environment)
    throw new AppError({
      code: 'session-incomplete',
      message: `${session} does not say what was recorded: its first event is missing.`,
      subject: session,
      remedy: 'Record again.',
    });
  const table = new BatchColumns(environment.layer.shape.topK);
  const places: Places[] = [];
  for (const { batch, chunk, row } of results) {
    const intent = intents.get(batch);
    if (intent === undefined) {
      lost.push(`batch ${batch}: its intent is not in the file`);
      continue;
    }
    table.append({ ...row, index: table.length });
    places.push({ intent, result: chunk, explanation: explanations.get(batch) ?? -1 });
  }
  return { environment, table, places, layer, thresholds, lost };
}
