import { expect, test } from '../harness/app';

test('hazards follow the contract that is loaded, and one opens in Scales at its tensor', async ({ app }) => {
  await app.command('panel.open', { id: 'hazards' });
  await app.idle();
  const panel = app.page.getByTestId('panel-hazards');
  const findings = app.page.getByTestId('hazards-findings');
  // The demo has power-of-two scales: baking them is exact, and unit-alpha has no other finding.
  await expect(findings).toContainText('No hazard was found in this layer under this contract.');
  await expect(app.page.getByTestId('hazards-checks')).toContainText('H1-baked-block-scales');

  await app.command('layer.load', { contract: 'activation-alpha' });
  await app.command('panel.open', { id: 'hazards' });
  await app.idle();
  await expect(findings).toContainText('H2-alpha-dual-role');
  await app.command('hazards.select', { id: 'H2-alpha-dual-role' });
  await expect(panel).toContainText('Register input_global_scale');
  await panel.getByRole('button', { name: 'Open in Scales' }).click();
  await app.idle();
  await expect(app.page.getByTestId('panel-scales')).toContainText('b12x/w13_weight_scale_2');
});

test('another contract begins a run: no batch of the one before stays selected', async ({ app }) => {
  await app.command('run.step', { tokens: 4 });
  await app.command('batch.select', { batch: 0 });
  await app.idle();
  await expect(app.page.getByText('No batch selected')).toHaveCount(0);
  await app.command('layer.load', { contract: 'clean' });
  await app.idle();
  await expect(app.page.getByText('No batch selected')).toBeVisible();
});
