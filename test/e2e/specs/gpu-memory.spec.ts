import { resolve } from 'node:path';
import { expect, test } from '../harness/app';

/** The cuda provider on a GPU that is faked: y = x, and a batch of 33 tokens is an illegal memory access. */
const faked = resolve('build/native/providers/libmoescope_cuda_faked.so');

test('what a layer holds of the GPU is shown, a fault is told, and the window stays', async ({ app }) => {
  const details = app.page.getByTestId('details');
  const status = app.page.getByTestId('status-bar');
  await app.idle();
  await expect(details).not.toContainText('GPU tensors');
  await expect(status).not.toContainText('GPU ');

  await app.command('layer.load', { provider: faked });
  await app.command('run.step', { tokens: 4 });
  await app.idle();
  await expect(status).toContainText(/GPU \d/);
  await expect(details).toContainText(/GPU tensors\s*\d/);
  await expect(details).toContainText(/Captured graphs\s*2/);

  await app.command('run.step', { tokens: 33 });
  await app.command('batch.select', { batch: 1 });
  await app.idle();
  await expect(app.page.getByText(/33 tokens, kernel static.*cudaErrorIllegalAddress/).first()).toBeVisible();

  await app.command('layer.load', { provider: 'cpu' });
  await app.command('run.step', { tokens: 33 });
  await app.idle();
  await expect(details).not.toContainText('GPU tensors');
  await expect(status).toContainText('1 batch');
});

test('what a layer holds of the GPU follows its runs, also those that are no new batch', async ({ app }) => {
  const { page } = app;
  const factOf = (name: string) => page.getByTestId('details').locator(`dt:text-is("${name}") + dd`);
  const total = page.getByTestId('status-bar').locator('.status-item', { hasText: /^GPU / });
  const graphs = factOf('Captured graphs');
  await app.command('layer.load', { provider: faked });
  await app.command('run.threshold', { tokens: 64 });
  await app.command('run.workload', { kind: 'sequence', tokens: [1, 2, 40, 70, 130], rate: 20, compareEvery: 0 });
  await app.idle();
  await expect(graphs).toHaveText('0');
  await expect(factOf('GPU run buffers')).toHaveText('0 B');
  const before = (await total.textContent())!;

  // Each of these token counts needs buffers and graphs of its own.
  await app.command('run.start');
  await expect(graphs).toHaveText('10');
  await expect(total).not.toHaveText(before);
  await app.command('run.pause');
  await app.idle();
  await expect(factOf('GPU run buffers')).toHaveText(/^[\d.]+ [KM]iB$/);

  // The other path captures two more for the same batch, and no batch is added.
  await app.command('batch.select', { batch: 0 });
  await app.idle();
  const batches = page.getByTestId('status-bar').locator('.status-item', { hasText: /batch(es)?$/ });
  const ran = (await batches.textContent())!;
  await app.command('batch.rerunOther');
  await expect(graphs).toHaveText('12');
  await expect(batches).toHaveText(ran);
});

test('a batch that failed has a dash for its time wherever one is shown', async ({ app }) => {
  const { page } = app;
  const duration = /^\d[\d.]* ?(us|ms|s)$/;
  const time = page.getByTestId('details').locator('dt:text-is("Time") + dd');
  await app.command('layer.load', { provider: faked });
  await app.command('run.step', { tokens: 4 });
  await app.command('run.step', { tokens: 33 });
  await app.command('batch.select', { batch: 0 });
  await app.idle();
  await expect(time).toHaveText(duration);
  await app.command('batch.select', { batch: 1 });
  await app.idle();
  await expect(time).toHaveText('-');

  const rows = page.getByTestId('batch-table').getByRole('row');
  const timeOf = (row: number) => rows.nth(row).getByRole('gridcell').nth(6);
  await expect(timeOf(1)).toHaveText('-');
  await expect(timeOf(2)).toHaveText(duration);

  // The kernels share out timed batches only; what failed is said beside them.
  await expect(page.getByTestId('panel-live')).toContainText('2 batches, 1 failed');

  // All batches are 20 places wide, right of 62 px for the names of the lanes; the second is batch 1.
  await app.command('timeline.fit');
  await app.idle();
  const timeline = page.getByTestId('timeline').locator('canvas');
  const { width, height } = (await timeline.boundingBox())!;
  await timeline.hover({ position: { x: 62 + ((width - 62) * 1.5) / 20, y: height - 24 } });
  await expect(page.locator('.timeline-hover')).toContainText('33 tokens, -');

  await app.command('panel.open', { id: 'batch' });
  await app.idle();
  const panel = page.getByTestId('panel-batch');
  await expect(panel.locator('.figure').filter({ hasText: /time$/ })).toHaveText('-time');
  await expect(panel).toContainText('No stage was timed: the batch failed.');
  await expect(panel).not.toContainText('measured again');
  await app.command('panel.open', { id: 'routing' });
  await app.idle();
  await expect(page.getByTestId('routing-floors')).toContainText(/Measured: .*static\s*- on/);
});
