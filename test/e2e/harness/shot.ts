import { expect, type Locator } from '@playwright/test';
import type { App } from './app';

export type Theme = 'dark' | 'light';

/**
 * Compares a panel (or, for 'window', the whole window) in a theme with its baseline `PANEL-THEME.png`.
 *
 * Uses the window's screenshot mode, which hides measured times and rates: they differ on every run. Waits for the fonts
 * and the idle signal, never for a time; so pause the engine first.
 * @param panel the panel's id (its frame carries `data-testid="panel-ID"`), or 'window'.
 * @param mask further places that differ from run to run.
 */
export async function shot(app: App, panel: string, theme: Theme, mask: Locator[] = []): Promise<void> {
  const { page } = app;
  if (panel !== 'window') await app.command('panel.open', { id: panel });
  await app.command('view.theme', { theme });
  await app.command('view.screenshotMode', { on: true });
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  await app.idle();
  expect(await page.evaluate(() => devicePixelRatio), 'device pixel ratio').toBe(1);
  const options = { mask, maskColor: '#808080', animations: 'disabled', caret: 'hide', scale: 'css' } as const;
  const name = `${panel}-${theme}.png`;
  if (panel === 'window') await expect(page).toHaveScreenshot(name, options);
  else await expect(page.getByTestId(`panel-${panel}`)).toHaveScreenshot(name, options);
  await app.command('view.screenshotMode', { on: false });
}
