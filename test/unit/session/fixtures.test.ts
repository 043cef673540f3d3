import { readdirSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { SESSION_FORMAT } from '../../../electron/contract/session';
import { loadBinding } from '../../../electron/engine/native/load';
import { isUnavailable } from '../../../electron/engine/run/source';
import { ReplaySource } from '../../../electron/engine/session/replay-source';
import { recordedTokens } from '../../fixtures/sessions/make-recorded';

const folder = fileURLToPath(new URL('../../fixtures/sessions/', import.meta.url));
const sessions = readdirSync(folder).filter((name) => name.endsWith('.moesession'));

it('there is a recorded session of every format up to the current one', () => {
  const formats = Array.from({ length: SESSION_FORMAT }, (_, index) => `format-${index + 1}.moesession`);
  expect(sessions.sort()).toEqual(formats.sort());
});

it.each(sessions)('%s opens whole and shows its batches', async (name) => {
  const work = await mkdtemp(join(tmpdir(), 'moescope-fixture-'));
  await cp(join(folder, name), join(work, name), { recursive: true });
  const source = await ReplaySource.open(join(work, name), loadBinding);
  expect(source.info().integrity).toEqual({ complete: true, message: 'complete', lost: [] });
  expect(await source.verifyBlobs()).toEqual([]);
  const { rows } = source.table.rows(0, 10, source.table.length);
  expect(rows.map(({ tokens }) => tokens)).toEqual(recordedTokens);
  expect(rows.map(({ path }) => path)).toEqual(recordedTokens.map((tokens) => (tokens >= 16 ? 'cutlass' : 'b12x')));
  const answer = await source.answer(3, 'b12x', 'b12x');
  expect(isUnavailable(answer)).toBe(false);
  expect((await source.layerTensors()).map(({ set }) => set)).toEqual(
    expect.arrayContaining(['checkpoint', 'b12x', 'cutlass']),
  );
  await source.dispose();
  await rm(work, { recursive: true });
});
