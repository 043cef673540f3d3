import { join } from 'node:path';
import { type App, expect, test } from '../harness/app';

const strip = ({ page }: App) => page.getByTestId('panel-routing').getByRole('img', { name: /^Load of 16 experts/ });

/** Clicks in the middle of a cell of the load strip. */
async function pickCell(app: App, batch: number, batches: number, expert: number): Promise<void> {
  const box = (await strip(app).boundingBox())!;
  const position = { x: ((batch + 0.5) / batches) * box.width, y: ((expert + 0.5) / 16) * box.height };
  await strip(app).click({ position });
  await app.idle();
}

async function checkPanel(app: App): Promise<void> {
  const panel = app.page.getByTestId('panel-routing');
  await app.command('panel.open', { id: 'routing' });
  await app.idle();
  await pickCell(app, 1, 3, 5);
  await expect(panel.getByTestId('routing-balance')).toContainText('16 tokens x top-k 8');
  await expect(panel.getByTestId('routing-floors')).toContainText('not measured, so it has no floor here');
  await panel.getByLabel('Device').selectOption('gb10');
  await expect(panel.getByTestId('routing-floors')).toContainText('0.2730 TB/s');
  await app.command('panel.open', { id: 'batch' });
  await app.idle();
  const matrix = app.page.getByTestId('panel-batch').getByRole('region', { name: 'Routing matrix' });
  await expect(matrix).toContainText('selected: expert 5');
  await app.command('batch.select', { batch: 2 });
  await app.idle();
  await expect(matrix).not.toContainText('selected');
}

test('a cell of the load strip selects its batch and its expert, live and in a replay', async ({ app }) => {
  const path = join(app.folder, 'routing.moesession');
  await app.command('run.threshold', { tokens: 64 });
  await app.command('session.record', { path, taps: false });
  for (const tokens of [4, 16, 64]) await app.command('run.step', { tokens });
  await app.command('session.stopRecording');
  await checkPanel(app);
  await app.command('session.open', { path });
  await expect(app.page.getByTestId('source-badge')).toHaveText('REPLAY');
  await checkPanel(app);
});
