import { expect, test } from '../harness/app';

test('a block scale is shown in all its addresses, with the codes under it and its twins', async ({ app }) => {
  await app.command('run.threshold', { tokens: 64 });
  await app.command('scales.open', { tensor: 'b12x/w13_weight_scale', plane: 1, row: 33, column: 5 });
  await app.idle();
  const pick = app.page.getByTestId('scales-pick');
  await expect(pick).toBeVisible();
  // H2048: 128 scale columns, kT = 32; rows 2I = 1536: 12 row tiles. (33, 5) lies at 512 + 16 + 4 + 1 in its expert.
  await expect(pick).toContainText('1, 33, 5');
  expect(12 * 32 * 512 + 533).toBe(197_141);
  await expect(pick).toContainText(/197.141/);
  await expect(pick).toContainText('1, 1, 0, 1, 1, 1');
  await expect(pick.getByRole('list', { name: 'FP4 codes under this scale' }).getByRole('listitem')).toHaveCount(16);
  const twins = pick.getByRole('table', { name: 'The same element in the other sets' });
  await expect(twins).toContainText('checkpoint');
  await expect(twins).toContainText('cutlass');
});

test('b12x against CUTLASS is a ratio map, and an expert can be chosen', async ({ app }) => {
  await app.command('run.threshold', { tokens: 64 });
  await app.command('scales.open', { tensor: 'b12x/w2_weight_scale', plane: 0 });
  await app.command('scales.ratio', { against: 'cutlass/w2_cutlass_weight_scale' });
  await app.command('scales.plane', { plane: 3 });
  await app.idle();
  const panel = app.page.getByTestId('panel-scales');
  await expect(panel.locator('canvas').first()).toBeVisible();
  await expect(panel).toContainText('w2_cutlass_weight_scale');
});
