import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, expect, test } from '../harness/app';
import { damagedSession, pictureFolder, weightOnlyCheckpoint } from '../harness/damaged';
import { prepared } from '../harness/prepared';
import { shot, themes } from '../harness/shot';

/** Pictures of what panels show when there is nothing to show, or something is wrong: each says why, and what to do. */
async function shots(app: App, state: string, panels: readonly string[]): Promise<void> {
  for (const theme of themes) for (const panel of panels) await shot(app, panel, theme, { state });
}

async function steps(app: App, tokens: readonly number[]): Promise<void> {
  await app.command('run.workload', { kind: 'mix', seed: 7, rate: 0, batches: 0 });
  for (const count of tokens) await app.command('run.step', { tokens: count });
  await app.command('batch.select', { batch: tokens.length - 1 });
  await app.idle();
}

test('a layer without batches, a layer without CUTLASS scales', async ({ app }) => {
  await shots(app, 'no-batch', ['live', 'batch', 'diff', 'routing']);
  await app.command('run.threshold', { tokens: 0 });
  await steps(app, [4]);
  await app.command('diff.setPair', { a: 'b12x', b: 'cutlass' });
  await app.idle();
  await shots(app, 'threshold-0', ['batch', 'diff']);
});

test('what is measured when asked for: causes, noise floor, the history of an element, every layout', async ({
  app,
}) => {
  test.setTimeout(180_000);
  await app.command('run.threshold', { tokens: 64 });
  await steps(app, [1, 16]);
  await app.command('diff.setPair', { a: 'b12x', b: 'cutlass' });
  await app.command('diff.causes');
  await app.idle();
  await shots(app, 'causes', ['diff']);
  await app.page.getByRole('button', { name: 'Back to the map' }).click();
  await app.page.getByRole('button', { name: 'Repeat' }).click();
  await expect(app.page.getByTestId('diff-noise')).toBeVisible();
  await shots(app, 'noise', ['diff']);
  await app.command('diff.history', { token: 3, column: 17, slot: 1, element: 5 });
  await app.idle();
  await shots(app, 'history', ['diff']);
  await app.command('scales.layouts', { tensor: 'b12x/w13_weight_scale' });
  await app.idle();
  await shots(app, 'layouts', ['scales']);
});

test('a recording without taps, the same with damaged tensors', async ({ app }) => {
  const path = join(pictureFolder(), 'a.moesession');
  await app.command('run.threshold', { tokens: 64 });
  await app.command('session.record', { path, taps: false });
  await steps(app, [4, 64]);
  await app.command('session.stopRecording');
  const open = async (session: string) => {
    await app.command('session.open', { path: session });
    await expect(app.page.getByTestId('source-badge')).toHaveText('REPLAY');
    await app.command('batch.select', { batch: 1 });
    await app.idle();
  };
  await open(path);
  await app.command('diff.stage', { stage: 'fc1' });
  await shots(app, 'no-taps', ['diff']);
  await app.command('session.close');
  await open(damagedSession(path));
  await shots(app, 'damaged', ['batch', 'diff', 'routing']);
});

test('a recording with taps whose checkpoint is gone', async ({ app }) => {
  const folder = pictureFolder();
  const checkpoint = join(folder, 'checkpoint');
  const path = join(folder, 'b.moesession');
  cpSync(prepared('checkpoint'), checkpoint, { recursive: true });
  await app.command('checkpoint.open', { path: checkpoint });
  await app.command('run.threshold', { tokens: 64 });
  await app.command('session.record', { path, taps: true });
  await steps(app, [16]);
  await app.command('session.stopRecording');
  await app.command('session.open', { path });
  await expect(app.page.getByTestId('source-badge')).toHaveText('REPLAY');
  rmSync(checkpoint, { recursive: true });
  await app.command('batch.select', { batch: 0 });
  await app.idle();
  await shots(app, 'no-layer', ['diff']);
});

test('experts that are weight-only', async ({ app }) => {
  const path = weightOnlyCheckpoint(pictureFolder());
  await app.command('checkpoint.open', { path });
  await app.command('layer.load', { layer: 0 });
  await steps(app, [4]);
  await shots(app, 'weight-only', ['diff', 'hazards']);
});

test('the engine has ended', async ({ app }) => {
  await steps(app, [4]);
  const engine = await app.enginePid();
  expect(engine).toBeGreaterThan(0);
  process.kill(engine!, 'SIGKILL');
  await expect(app.page.getByRole('button', { name: 'Restart engine' }).first()).toBeVisible();
  for (const theme of themes) await shot(app, 'window', theme, { state: 'engine-gone' });
});

test('a file that is no session', async ({ app }) => {
  const path = join(pictureFolder(), 'broken.moesession');
  writeFileSync(path, 'no folder');
  await app.command('panel.open', { id: 'session' });
  await app.page.getByLabel('Folder of the session to open').fill(path);
  await app.page.getByRole('button', { name: 'Open session', exact: true }).click();
  await expect(app.page.locator('.error-card')).toContainText('broken.moesession');
  await shots(app, 'error', ['window']);
});

test.describe('nothing open', () => {
  test.use({ open: null });

  test('the empty window', async ({ app }) => {
    await shots(app, 'nothing', ['window']);
  });
});
