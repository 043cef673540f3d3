import { expect, test } from '../harness/app';

test('the window opens on the demo checkpoint, with its title and status bar', async ({ app }) => {
  await expect(app.page).toHaveTitle(/MoEscope/);
  await expect(app.page.getByTestId('status-bar')).toBeVisible();
  await app.idle();
});

test('the window runs without Node in the page', async ({ app }) => {
  expect(
    await app.page.evaluate(() => ['process', 'require', 'module', 'Buffer'].filter((name) => name in window)),
  ).toEqual([]);
});
