import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../../../electron/cli/program';
import { eventFile, manifestFile } from '../../../electron/engine/session/files';
import { copySession, type Workplace, workplace } from './recording';

let place: Workplace;
let first: string;
beforeAll(async () => {
  place = await workplace();
  first = join(place.folder, 'first.moesession');
  expect(
    (
      await moescope(
        'record',
        place.checkpoint,
        '--out',
        first,
        '--tokens',
        '1,63,64',
        '--batches',
        '6',
        '--threshold',
        '64',
        '--weights',
      )
    ).code,
  ).toBe(0);
});
afterAll(() => place.remove());

async function moescope(...args: string[]) {
  let out = '';
  let err = '';
  const code = await runCli([...args, '--json'], {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    env: {},
    signal: new AbortController().signal,
  });
  return { code, json: JSON.parse(out), err };
}

describe('sessions on the command line', () => {
  it('replay shows what was recorded', async () => {
    const { code, json } = await moescope('replay', first);
    expect(code).toBe(0);
    expect(json.rows.map(({ tokens, path }: { tokens: number; path: string }) => [tokens, path])).toEqual(
      [1, 63, 64, 1, 63, 64].map((tokens) => [tokens, tokens >= 64 ? 'cutlass' : 'b12x']),
    );
    expect(json.rows[2].rule).toMatch(/hybrid threshold 64 >= 64/);
    expect(json.session).toMatchObject({
      batches: 6,
      threshold: { tokens: 64, origin: { kind: 'argument', where: '--threshold' } },
    });
  });

  it('replay --rerun compares bit for bit, from recorded weights', async () => {
    const { code, json } = await moescope('replay', first, '--rerun');
    expect(code).toBe(0);
    expect(json.rerun).toMatchObject({ answers: 12, identical: 12, first: null, layer: 'weights in the recording' });
  });

  it('diff finds equal values, and warns of another contract', async () => {
    const second = join(place.folder, 'second.moesession');
    await moescope(
      'record',
      place.checkpoint,
      '--out',
      second,
      '--tokens',
      '1,63,64',
      '--batches',
      '6',
      '--threshold',
      '64',
    );
    const same = await moescope('diff', first, second);
    expect(same.json.values).toMatchObject({ equalInputs: 6, answers: 12, identical: 12 });
    const clean = join(place.folder, 'clean.moesession');
    await moescope(
      'record',
      place.checkpoint,
      '--out',
      clean,
      '--tokens',
      '1',
      '--batches',
      '2',
      '--contract',
      'clean',
    );
    const other = await moescope('diff', first, clean);
    expect(other.json).toMatchObject({ sameLayer: false, samePlace: true });
    expect(other.err).toMatch(/different contract: unit-alpha against clean/);
    expect(other.json.values.first).toMatchObject({ path: 'b12x' });
    expect(other.code).toBe(0);
  });

  it('recover tells what was lost with exit 1, export writes both kinds', async () => {
    const cut = join(place.folder, 'cut.moesession');
    await copySession(first, cut);
    await truncate(eventFile(cut), (await readFile(eventFile(first))).length - 9000);
    const recovered = await moescope('recover', cut);
    expect(recovered.code).toBe(1);
    expect(recovered.json).toMatchObject({ recovered: true, lost: [expect.stringMatching(/bytes after/)] });
    expect((await moescope('recover', first)).json).toMatchObject({ recovered: false, lost: [] });
    for (const kind of ['zip', 'csv'])
      expect((await moescope('export', first, '--out', join(place.folder, `out.${kind}`))).code).toBe(0);
    expect((await moescope('export', first, '--out', join(place.folder, 'out.tar'))).code).toBe(2);
  });

  it('recover counts the tensor files again, and names a lost one once', async () => {
    const cut = join(place.folder, 'counted.moesession');
    await copySession(first, cut);
    const manifest = JSON.parse(await readFile(manifestFile(first), 'utf8')) as { blobs: number; blobBytes: number };
    await truncate(eventFile(cut), (await readFile(eventFile(first))).length - 10);
    await writeFile(manifestFile(cut), JSON.stringify({ ...manifest, batches: 0, blobs: 0, blobBytes: 0 }));
    expect((await moescope('recover', cut)).json).toMatchObject({ recovered: true });
    expect(JSON.parse(await readFile(manifestFile(cut), 'utf8'))).toMatchObject({
      blobs: manifest.blobs,
      blobBytes: manifest.blobBytes,
    });
    const [blob] = await readdir(join(cut, 'blobs'));
    await rm(join(cut, 'blobs', blob as string));
    const { lost } = (await moescope('recover', cut)).json as { lost: string[] };
    expect(lost.filter((loss) => loss.includes(blob as string))).toHaveLength(1);
  });

  it('a recording from before the machine started has no recorder', async () => {
    const cut = join(place.folder, 'old.moesession');
    await copySession(first, cut);
    await truncate(eventFile(cut), (await readFile(eventFile(first))).length - 10);
    const manifest = JSON.parse(await readFile(manifestFile(cut), 'utf8')) as object;
    const recordedBy = { pid: process.pid, host: hostname() };
    await writeFile(manifestFile(cut), JSON.stringify({ ...manifest, recordedBy }));
    expect(await moescope('recover', cut)).toMatchObject({ code: 4, json: { error: { code: 'busy' } } });
    const createdAt = new Date(0).toISOString();
    await writeFile(manifestFile(cut), JSON.stringify({ ...manifest, recordedBy, createdAt }));
    expect((await moescope('recover', cut)).json).toMatchObject({ recovered: true });
  });

  it('a re-run whose checkpoint has gone, and one on a library that is not there, say what to give', async () => {
    const lone = join(place.folder, 'lone.moesession');
    const moved = join(place.folder, 'moved');
    await cp(place.checkpoint, moved, { recursive: true });
    expect((await moescope('record', moved, '--out', lone, '--batches', '1')).code).toBe(0);
    await rm(moved, { recursive: true });
    expect(await moescope('replay', lone, '--rerun')).toMatchObject({
      code: 3,
      json: { error: { code: 'file-not-found', remedy: expect.stringContaining('--checkpoint') } },
    });
    const given = ['--rerun', '--checkpoint', place.checkpoint];
    expect((await moescope('replay', lone, ...given)).json).toMatchObject({ rerun: { first: null, unavailable: [] } });
    expect(await moescope('replay', lone, ...given, '--provider', 'none.so')).toMatchObject({
      code: 4,
      json: { error: { code: 'provider-load', subject: resolve('none.so') } },
    });
  });

  it('bad input has its code and exit code', async () => {
    const newer = join(place.folder, 'newer.moesession');
    await copySession(first, newer);
    await writeFile(
      manifestFile(newer),
      JSON.stringify({ ...JSON.parse(await readFile(manifestFile(newer), 'utf8')), format: 99 }),
    );
    expect(await moescope('replay', newer)).toMatchObject({ code: 3, json: { error: { code: 'session-newer' } } });
    expect(await moescope('replay', join(place.folder, 'absent.moesession'))).toMatchObject({
      code: 3,
      json: { error: { code: 'file-not-found' } },
    });
    expect(await moescope('record', place.checkpoint, '--out', first)).toMatchObject({
      code: 2,
      json: { error: { code: 'bad-option' } },
    });
    expect(
      await moescope('record', place.checkpoint, '--out', join(place.folder, 'x.moesession'), '--tokens', '0'),
    ).toMatchObject({ code: 2 });
  });
});
