import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '../harness/app';

test('a run is recorded, replayed without its checkpoint, sought in, and closed', async ({ app }) => {
  const path = join(app.folder, 'a.moesession');
  await app.command('run.threshold', { tokens: 64 });
  await app.command('session.record', { path, taps: true });
  for (const tokens of [1, 63, 64, 100]) await app.command('run.step', { tokens });
  await app.command('session.stopRecording');
  expect(existsSync(join(path, 'manifest.json'))).toBe(true);
  expect(existsSync(join(path, 'session.mcap'))).toBe(true);
  expect(readdirSync(join(path, 'blobs')).length).toBeGreaterThan(4);

  await app.command('session.open', { path });
  await expect(app.page.getByTestId('source-badge')).toHaveText('REPLAY');
  await app.command('session.seek', { batch: 3 });
  await app.command('batch.select', { batch: 2 });
  await app.command('panel.open', { id: 'batch' });
  await app.idle();
  await expect(app.page.getByTestId('panel-batch').locator('.figure-path')).toContainText('CUTLASS');
  await expect(app.page.getByTestId('decision-chain')).toContainText('64');

  await app.command('panel.open', { id: 'diff' });
  await app.idle();
  await expect(app.page.getByTestId('diff-stages')).toContainText('FC1');
  await app.command('scales.open', { tensor: 'b12x/w13_weight_scale', plane: 0, row: 0, column: 0 });
  await app.idle();
  await expect(app.page.getByTestId('scales-pick')).toBeVisible();
  await app.command('panel.open', { id: 'session' });
  await app.idle();
  await expect(app.page.getByTestId('panel-session')).toContainText('a.moesession');
  await app.command('session.close');
  await expect(app.page.getByTestId('source-badge')).not.toHaveText('REPLAY');
});
