import { z } from 'zod';
import { AppError } from '../../contract/errors';
import { CheckpointSummarySchema, contracts, LayerSummarySchema, ThresholdSchema } from '../../contract/layer';
import { BookmarkSchema, DeviceSchema, SESSION_FORMAT } from '../../contract/session';
import { readJsonObject } from '../checkpoint/file-errors';
import { writeDurably } from './durable-file';
import { manifestFile } from './files';
import { migrateManifest } from './migrations';

/** manifest.json: enough to say what a session is without opening its events. */
export const ManifestSchema = z.object({
  format: z.literal(SESSION_FORMAT),
  tool: z.string(),
  createdAt: z.string(),
  /** process that is recording now; null once the recording has ended in order */
  recordedBy: z.object({ pid: z.number().int(), host: z.string() }).nullable(),
  device: DeviceSchema,
  /** what was known of the clocks; nothing here sets any */
  clocks: z.string(),
  contract: z.enum(contracts),
  threshold: ThresholdSchema,
  checkpoint: CheckpointSummarySchema.nullable(),
  layer: LayerSummarySchema.nullable(),
  batches: z.number().int(),
  blobs: z.number().int(),
  blobBytes: z.number(),
  eventBytes: z.number(),
  taps: z.boolean(),
  notes: z.string(),
  bookmarks: z.array(BookmarkSchema),
  /** set by recovery: what was not in the file any more */
  lost: z.array(z.string()),
});
export type Manifest = z.infer<typeof ManifestSchema>;

export async function writeManifest(session: string, manifest: Manifest): Promise<void> {
  const path = manifestFile(session);
  await writeDurably(path, async (append) => {
    await append(new TextEncoder().encode(`${JSON.stringify(ManifestSchema.parse(manifest), null, 2)}\n`));
    return path;
  });
}

/**
 * Reads and, where it is older, migrates the manifest (in memory; the folder is left as it is).
 * Throws `file-not-found`, `bad-config` (no JSON), `session-newer`, `session-damaged` (fields missing or wrong).
 */
export async function readManifest(session: string): Promise<Manifest> {
  const path = manifestFile(session);
  const migrated = migrateManifest(await readJsonObject(path), path);
  const parsed = ManifestSchema.safeParse(migrated);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AppError({
    code: 'session-damaged',
    message: `${path} is not the manifest of a session: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
    subject: path,
    remedy: 'Open a folder that `moescope record` wrote.',
  });
}
