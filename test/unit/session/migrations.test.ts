import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SESSION_FORMAT } from '../../../electron/contract/session';
import { loadBinding } from '../../../electron/engine/native/load';
import { manifestFile } from '../../../electron/engine/session/files';
import {
  checkMigrations,
  type Migration,
  migrateManifest,
  migrations,
} from '../../../electron/engine/session/migrations';
import { ReplaySource } from '../../../electron/engine/session/replay-source';
import { copySession, record, workplace } from './recording';

const step = (from: number): Migration => ({
  from,
  change: `adds f${from}`,
  manifest: (manifest) => ({ ...manifest, [`f${from}`]: true }),
});

describe('migrations', () => {
  it('of this build are numbered without gaps up to the current format', () => {
    expect(() => checkMigrations(migrations, SESSION_FORMAT)).not.toThrow();
    expect(migrations).toHaveLength(SESSION_FORMAT - 1);
  });

  it('are applied in order from the format found', () => {
    const steps = [step(1), step(2), step(3)];
    expect(migrateManifest({ format: 2, name: 'a' }, 'm', steps, 4)).toEqual({
      format: 4,
      name: 'a',
      f2: true,
      f3: true,
    });
    expect(migrateManifest({ format: 4 }, 'm', steps, 4)).toEqual({ format: 4 });
  });

  it('refuse a gap, a newer format and no format', () => {
    expect(() => checkMigrations([step(1), step(3)], 4)).toThrow(/without gaps/);
    expect(() => checkMigrations([step(1)], 4)).toThrow(/without gaps/);
    const codeOf = (format: unknown) => {
      try {
        migrateManifest({ format }, 'm', [step(1)], 2);
      } catch (thrown) {
        return (thrown as { code: string }).code;
      }
      return '';
    };
    expect([3, 1e9, 0, -1, 1.5, '1', undefined].map(codeOf)).toEqual([
      'session-newer',
      'session-newer',
      'session-damaged',
      'session-damaged',
      'session-damaged',
      'session-damaged',
      'session-damaged',
    ]);
  });
});

describe('opening what cannot be opened', () => {
  let place: Awaited<ReturnType<typeof workplace>>;
  let whole: string;
  beforeAll(async () => {
    place = await workplace();
    whole = join(place.folder, 'whole.moesession');
    await record(place.checkpoint, whole, [4]);
  });
  afterAll(() => place.remove());

  const changed = async (name: string, change: (text: string) => string) => {
    const path = join(place.folder, `${name}.moesession`);
    await copySession(whole, path);
    await writeFile(manifestFile(path), change(await readFile(manifestFile(path), 'utf8')));
    return ReplaySource.open(path, loadBinding);
  };

  it('says what a newer session needs', async () => {
    const newer = changed('newer', (text) =>
      JSON.stringify({ ...JSON.parse(text), format: SESSION_FORMAT + 1, whatever: [] }),
    );
    await expect(newer).rejects.toMatchObject({ code: 'session-newer', found: `format ${SESSION_FORMAT + 1}` });
  });

  it('names what is wrong with a manifest', async () => {
    await expect(changed('no-json', (text) => text.slice(0, 50))).rejects.toMatchObject({ code: 'bad-config' });
    await expect(
      changed('no-device', (text) => JSON.stringify({ ...JSON.parse(text), device: 3 })),
    ).rejects.toMatchObject({ code: 'session-damaged' });
    const empty = await mkdtemp(join(tmpdir(), 'moescope-empty-'));
    await expect(ReplaySource.open(empty, loadBinding)).rejects.toMatchObject({ code: 'file-not-found' });
    await rm(empty, { recursive: true });
  });
});
