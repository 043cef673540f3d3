import { join } from 'node:path';
import { type App, expect, test } from '../harness/app';

async function endEngine(app: App): Promise<void> {
  const engine = await app.enginePid();
  expect(engine).toBeGreaterThan(0);
  process.kill(engine!, 'SIGKILL');
  const restart = app.page.getByRole('button', { name: 'Restart engine' }).first();
  await restart.click();
  await expect(restart).toBeHidden();
}

test('after a restart the layer is loaded again as it was, without its batches', async ({ app }) => {
  await app.command('layer.load', { contract: 'clean' });
  await app.command('run.threshold', { tokens: 33 });
  await app.command('run.step', { tokens: 4 });
  await app.idle();
  await expect(app.page.getByTestId('status-bar')).toContainText('1 batch');
  await endEngine(app);
  await expect(app.page.getByTestId('source-badge')).toHaveText('LIVE', { timeout: 30_000 });
  await app.idle();
  await expect(app.page.getByTestId('status-bar')).toContainText('0 batches');
  await expect(app.page.getByLabel('Contract')).toHaveValue('clean');
  await app.command('run.step', { tokens: 33 });
  await app.command('batch.select', { batch: 0 });
  await app.idle();
  await expect(app.page.getByText('33 >= 33 tokens: yes')).toBeVisible();
});

test('after a restart the recording is open again, at its place', async ({ app }) => {
  const path = join(app.folder, 'again.moesession');
  await app.command('session.record', { path, taps: false });
  for (const tokens of [1, 2, 3]) await app.command('run.step', { tokens });
  await app.command('session.stopRecording');
  await app.command('session.open', { path });
  await app.command('session.seek', { batch: 1 });
  await app.idle();
  await endEngine(app);
  await expect(app.page.getByTestId('source-badge')).toHaveText('REPLAY', { timeout: 30_000 });
  await app.idle();
  await expect(app.page.getByTestId('status-bar')).toContainText('2 batches');
});
