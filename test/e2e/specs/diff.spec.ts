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
