import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '../harness/app';

test.use({ open: null });

test('an empty window says how to begin', async ({ app }) => {
  await app.idle();
  await expect(app.page.getByTestId('welcome')).toBeVisible();
});

test('a folder that is no checkpoint gets one clear message and leaves the window at work', async ({ app }) => {
  const path = join(app.folder, 'not-a-model');
  mkdirSync(path);
  writeFileSync(join(path, 'config.json'), '{"model_type": "qwen3_moe"}');
  const failure = await app.command('checkpoint.open', { path }).then(
    () => null,
    (thrown: Error) => thrown.message,
  );
  expect(failure).toContain('not-a-model');
  await app.idle();
  await expect(app.page.getByTestId('status-bar')).toBeVisible();
});
