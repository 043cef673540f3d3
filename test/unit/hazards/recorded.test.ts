/** H6 from a recorded output: a session whose answers come from the layer with gate and up exchanged. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recordedOrder } from '../../../electron/engine/hazards/recorded-output';
import { loadBinding } from '../../../electron/engine/native/load';
import { ReplaySource } from '../../../electron/engine/session/replay-source';
import {
  changeTensors,
  damaged,
  makeTiny,
  type TemporaryFolder,
  temporaryFolder,
} from '../../fixtures/checkpoints/tiny';
import { cli } from '../../fixtures/cli';
import { record } from '../session/recording';

let folder: TemporaryFolder;
const sessions = { right: '', exchanged: '', bare: '' };
beforeAll(async () => {
  folder = await temporaryFolder();
  const checkpoint = await makeTiny(join(folder.path, 'right'));
  const other = await damaged(checkpoint, join(folder.path, 'exchanged'), (copy) =>
    changeTensors(copy, (tensor) => ({
      ...tensor,
      name: tensor.name.replace(/gate_proj|up_proj/, (name) => (name === 'up_proj' ? 'gate_proj' : 'up_proj')),
    })),
  );
  for (const [name, path, weights] of [
    ['right', checkpoint, true],
    ['exchanged', other, true],
    ['bare', checkpoint, false],
  ] as const) {
    sessions[name] = join(folder.path, `${name}.moesession`);
    await record(path, sessions[name], [16], { weights });
  }
});
afterAll(() => folder.dispose());

const open = (path: string) => ReplaySource.open(path, loadBinding);

test('a session explains its own output: no finding, whichever way the checkpoint is', async () => {
  for (const path of Object.values(sessions)) {
    const source = await open(path);
    expect(await recordedOrder(loadBinding(), source)).toBeNull();
    await source.dispose();
  }
});

test('an output that is that of exchanged halves is named', async () => {
  const source = await open(sessions.right);
  const other = await open(sessions.exchanged);
  const mixed = Object.create(source, { answer: { value: other.answer.bind(other) } }) as ReplaySource;
  const found = await recordedOrder(loadBinding(), mixed);
  expect(found).toMatchObject({ id: 'H6-gate-up-order', severity: 'error', tensor: 'checkpoint/w13_weight' });
  expect(found?.measured.nrmseAsIs).toBeGreaterThan(0.5);
  expect(found?.measured.nrmseExchanged).toBeLessThan(0.3);
  await source.dispose();
  await other.dispose();
});

test('inspect of a session with weights: the same hazards as of its checkpoint', async () => {
  const ofSession = await cli(['inspect', sessions.right, '--json']);
  const ofCheckpoint = await cli(['inspect', join(folder.path, 'right'), '--layer', 'all', '--json']);
  expect(ofSession.json?.findings).toEqual(ofCheckpoint.json?.findings);
  expect(ofSession.code).toBe(1);
});
