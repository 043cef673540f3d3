import { type App, expect, test } from '../harness/app';

/** The row that `run.step` gives back. */
interface Row {
  index: number;
  tokens: number;
  path: string;
  kernel: string;
  threshold: number;
  nrmse: number | null;
}

const step = async (app: App, tokens: number) => (await app.command('run.step', { tokens })) as Row;

test('batches run, and the window shows them as they come', async ({ app }) => {
  await app.command('panel.open', { id: 'live' });
  const bar = app.page.getByRole('toolbar', { name: 'Main' });
  await bar.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(bar.getByRole('button', { name: 'Pause' })).toBeVisible();
  await expect(app.page.getByTestId('source-badge')).toHaveText('LIVE');
  await expect(app.page.getByTestId('panel-live').getByRole('row').nth(3)).toBeVisible();
  await bar.getByRole('button', { name: 'Pause' }).click();
  await expect(bar.getByRole('button', { name: 'Run', exact: true })).toBeVisible();
  await app.idle();
});

test('63, 64 and 65 tokens around a threshold of 64 take the path that the rule says', async ({ app }) => {
  await app.command('run.threshold', { tokens: 64 });
  const rows = [await step(app, 63), await step(app, 64), await step(app, 65)];
  expect(rows.map(({ path }) => path)).toEqual(['b12x', 'cutlass', 'cutlass']);
  expect(rows.map(({ kernel }) => kernel)).toEqual(['static', 'cutlass', 'cutlass']);
  expect(rows.map(({ threshold }) => threshold)).toEqual([64, 64, 64]);
  for (const { nrmse } of rows) expect(nrmse).toBeLessThan(0.05);
});

test('moving the threshold while it runs changes the path of the batches that follow', async ({ app }) => {
  await app.command('run.workload', { kind: 'sequence', tokens: [64], rate: 0, batches: 0 });
  const field = app.page.getByLabel('Threshold', { exact: true });
  await field.fill('65');
  await field.press('Enter');
  await expect(app.page.getByTestId('threshold-origin')).toContainText('window');
  await app.command('run.step');
  await app.command('run.start');
  await expect.poll(() => newestKernel(app)).toContain('static');
  await field.fill('64');
  await field.press('Enter');
  await expect.poll(() => newestKernel(app)).toContain('CUTLASS');
  await app.command('run.pause');
  await app.idle();
});

async function newestKernel(app: App): Promise<string> {
  await app.command('batch.newest');
  await app.command('panel.open', { id: 'batch' });
  return (await app.page.getByTestId('panel-batch').locator('.figure-path').textContent()) ?? '';
}

test('the decision chain names every rule asked, its limit and where the limit came from', async ({ app }) => {
  await app.command('run.threshold', { tokens: 64 });
  await step(app, 2);
  await app.command('panel.open', { id: 'batch' });
  await app.idle();
  const chain = app.page.getByTestId('decision-chain');
  await expect(chain.locator('tbody tr').first()).toContainText('64');
  await expect(chain.locator('tbody tr').first()).toContainText('window');
  await expect(chain.locator('[aria-current=step]')).toHaveCount(1);
  // H2048 I768: the intermediate size keeps two tokens off direct-micro, and micro takes them.
  await expect(chain).toContainText('512');
  await expect(app.page.getByTestId('panel-batch').locator('.figure-path')).toContainText('micro');

  await step(app, 200);
  await app.idle();
  await app.command('batch.select', { batch: 0 });
  expect(await app.command('batch.nearestOther')).toBe(1);
});
