import { type App, test } from '../harness/app';
import { shot, themes } from '../harness/shot';

/** Every panel of the window. A new panel is added here, and to the states below where it can be empty. */
const panels = ['live', 'batch', 'scales', 'hazards', 'diff', 'routing', 'session'] as const;

/** The same batches, the same selection, nothing running: what every picture shows. */
async function settle(app: App): Promise<void> {
  await app.command('run.threshold', { tokens: 64 });
  await app.command('run.workload', { kind: 'mix', seed: 7, rate: 0, batches: 0, skew: 1 });
  for (const tokens of [1, 4, 16, 63, 64, 128]) await app.command('run.step', { tokens });
  await app.command('batch.select', { batch: 4 });
  await app.idle();
}

test('pictures of every panel in both themes', async ({ app }) => {
  test.setTimeout(180_000);
  await settle(app);
  await app.command('scales.open', { tensor: 'b12x/w13_weight_scale', plane: 1, row: 33, column: 5 });
  await app.command('diff.setPair', { a: 'b12x', b: 'cutlass' });
  await app.idle();
  for (const theme of themes) {
    for (const panel of panels) await shot(app, panel, theme);
    await app.command('panel.open', { id: 'live' });
    await shot(app, 'window', theme);
  }
});
