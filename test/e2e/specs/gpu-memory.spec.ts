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
