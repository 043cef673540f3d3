import { join } from 'node:path';
import { expect, test } from '../harness/app';

test('the difference of the two paths is shown stage by stage, under a tolerance that moves', async ({ app }) => {
  await app.command('run.threshold', { tokens: 64 });
  await app.command('run.step', { tokens: 64 });
  await app.command('diff.setPair', { a: 'b12x', b: 'cutlass' });
  await app.command('panel.open', { id: 'diff' });
  await app.idle();
  const stages = app.page.getByTestId('diff-stages');
  for (const stage of ['FC1', 'FC2']) await expect(stages).toContainText(stage);
  await app.command('diff.setTolerance', { rtol: 0, atol: 0 });
  await app.idle();
  await expect(stages).toContainText('diverges first');
  await app.command('diff.setTolerance', { rtol: 10, atol: 1000 });
  await app.idle();
  await expect(stages).not.toContainText('diverges first');
  await expect(app.page.getByTestId('panel-diff').locator('canvas').first()).toBeVisible();
});

test('power-of-two scales leave rounding only: each path is near its fp64 reference', async ({ app }) => {
  await app.command('run.threshold', { tokens: 64 });
  await app.command('run.step', { tokens: 64 });
  await app.command('panel.open', { id: 'diff' });
  await app.command('diff.setPair', { a: 'cutlass', b: 'reference' });
  await app.idle();
  const nrmse = await app.page
    .getByTestId('diff-stages')
    .getByRole('row')
    .filter({ hasText: 'output' })
    .getByRole('gridcell')
    .nth(2)
    .textContent();
  expect(Number.parseFloat(nrmse ?? 'none')).toBeGreaterThan(0);
  expect(Number.parseFloat(nrmse ?? 'none')).toBeLessThan(0.05);
});

test('causes are measured with their shares, and told in a table', async ({ app }) => {
  const { page } = app;
  await app.command('run.threshold', { tokens: 64 });
  await app.command('run.step', { tokens: 16 });
  await app.command('batch.select', { batch: 0 });
  await app.command('diff.setPair', { a: 'b12x', b: 'cutlass' });
  await app.command('panel.open', { id: 'diff' });
  await app.idle();
  await page.getByRole('button', { name: 'Measure causes' }).click();
  await app.idle();
  const causes = page.getByTestId('diff-causes');
  await expect(causes).toContainText('b12x and CUTLASS follow their documented pipelines: no fault was named.');
  const rows = causes.getByRole('grid', { name: 'Causes' }).getByRole('row');
  // The demo has power-of-two scales: rounding to bf16 between the stages is what is left of the contract.
  await expect(rows.nth(1)).toContainText('bf16 rounding between stages');
  const shares = await rows
    .locator('[role=gridcell]:nth-child(3)')
    .evaluateAll((cells) => cells.map((cell) => Number.parseFloat(cell.textContent ?? '')));
  expect(shares.length).toBeGreaterThan(4);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 0);
  await expect(rows.nth(1).getByRole('gridcell').nth(3)).toContainText(' to ');
  await rows.filter({ hasText: 'Rest' }).click();
  await expect(causes).toContainText('the model of the two pipelines does not explain it');

  await expect(page.getByRole('button', { name: /causes as CSV/ })).toBeVisible();
  await page.getByRole('button', { name: 'Back to the map' }).click();
  await expect(page.getByTestId('panel-diff').locator('canvas').first()).toBeVisible();
  await page.getByRole('button', { name: 'Show all causes' }).click();
  await expect(causes).toBeVisible();

  // The reference has a model of its own: what is left is what b12x rounds.
  await app.command('diff.setPair', { b: 'reference' });
  await app.idle();
  await page.getByRole('button', { name: 'Measure causes' }).click();
  await app.idle();
  await expect(causes).toContainText('b12x follows its documented pipeline: no fault was named.');
});

test('measuring causes is cancelled from the block, and nothing is left of it', async ({ app }) => {
  const { page } = app;
  await app.command('run.threshold', { tokens: 64 });
  await app.command('run.step', { tokens: 128 });
  await app.command('batch.select', { batch: 0 });
  await app.command('panel.open', { id: 'diff' });
  await app.idle();
  await page.getByRole('button', { name: 'Measure causes' }).click();
  const block = page.getByRole('region', { name: 'Causes' });
  await block.getByRole('button', { name: 'Cancel' }).click();
  await app.idle();
  await expect(block.getByRole('button', { name: 'Measure causes' })).toBeEnabled();
  await expect(page.getByTestId('diff-causes')).toHaveCount(0);
  await expect(page.locator('.error-card')).toHaveCount(0);
});

test('a recording is explained where its checkpoint is; it runs nothing, and says so', async ({ app }) => {
  const path = join(app.folder, 'explained.moesession');
  await app.command('run.threshold', { tokens: 64 });
  await app.command('session.record', { path, taps: true });
  await app.command('run.step', { tokens: 16 });
  await app.command('session.stopRecording');
  await app.command('session.open', { path });
  await expect(app.page.getByTestId('source-badge')).toHaveText('REPLAY');
  await app.command('batch.select', { batch: 0 });
  await app.command('panel.open', { id: 'diff' });
  await app.idle();
  await expect(app.page.getByRole('button', { name: 'Repeat' })).toBeDisabled();
  await expect(app.page.getByTestId('panel-diff')).toContainText('A recorded session runs nothing');
  await app.page.getByRole('button', { name: 'Measure causes' }).click();
  await app.idle();
  await expect(app.page.getByTestId('diff-causes')).toContainText('bf16 rounding between stages');
});
