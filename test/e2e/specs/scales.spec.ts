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

test('every layout is tried on a block-scale tensor, and the order it is stored in explains it best', async ({
  app,
}) => {
  const { page } = app;
  const layouts = page.getByTestId('scales-layouts');
  const ranking = page.getByRole('table', { name: 'Layouts, best first' });
  const tried = async (tensor: string) => {
    await app.command('scales.open', { tensor });
    await app.idle();
    await expect(layouts).toHaveCount(0);
    await page.getByRole('button', { name: 'Try every layout' }).click();
    await app.idle();
    await expect(layouts).toHaveAttribute('data-verdict', 'certain');
    await expect(layouts).toContainText('stored as its layout says');
    return ranking.getByRole('row').nth(1);
  };
  // The checkpoint's scales are linear, those of b12x lie in 128x4 tiles.
  await expect(await tried('checkpoint/w2_weight_scale')).toContainText(/^linear> 99.9 %/);
  await expect(await tried('b12x/w13_weight_scale')).toContainText(/^128x4 swizzle/);
  // linear, 128x4, 8x4, transposed and the copied 6D view at least, each with what it explains.
  expect(await ranking.getByRole('row').count()).toBeGreaterThan(5);
  await expect(layouts).toContainText('nibble order of the weights');
  await expect(page.getByRole('button', { name: 'Copy the ranking as JSON' })).toBeVisible();

  await app.command('scales.open', { tensor: 'checkpoint/w13_weight_scale_2' });
  await app.idle();
  await expect(page.getByRole('button', { name: 'Try every layout' })).toHaveCount(0);
  await expect(app.command('scales.layouts')).rejects.toThrow(/Only block scales have layouts/);
});

test('a pick leaves the histogram of codes alone: drawing its bars anew would hold up the answer', async ({ app }) => {
  await app.command('scales.open', { tensor: 'b12x/w13_weight_scale', plane: 0, row: 1, column: 2 });
  await app.idle();
  const chart = app.page.getByRole('img', { name: /^E4M3 codes/ });
  await expect(chart.locator('.recharts-bar-rectangle').first()).toBeAttached();
  await chart.evaluate((element) => {
    const changes: string[] = [];
    Object.assign(window, { chartChanges: changes });
    new MutationObserver((records) => changes.push(...records.map(({ type }) => type))).observe(element, {
      subtree: true,
      childList: true,
      attributes: true,
    });
  });
  await app.command('scales.pick', { plane: 0, row: 40, column: 7 });
  await expect(app.page.getByTestId('scales-pick')).toContainText('0, 40, 7');
  await app.idle();
  expect(await app.page.evaluate(() => Reflect.get(window, 'chartChanges'))).toEqual([]);
});
