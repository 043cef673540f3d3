import { expect, type Locator } from '@playwright/test';
import type { App } from './app';

export const themes = ['dark', 'light'] as const;
export type Theme = (typeof themes)[number];

export interface ShotOptions {
  /** what the window is in, for pictures other than a panel at work, e.g. 'no-batch' */
  state?: string;
  /** further places that differ from run to run */
  mask?: Locator[];
}

/**
 * Compares a panel (or, for 'window', the whole window) in a theme with its baseline `PANEL-THEME.png`, or
 * `STATE-PANEL-THEME.png` where a state is named.
 *
 * Uses the window's screenshot mode, which hides measured times and rates and whatever follows the pointer: they differ on
 * every run. Waits for the fonts and the idle signal, never for a time; so pause the engine first.
 * @param panel the panel's id (its frame carries `data-testid="panel-ID"`), or 'window'.
 */
export async function shot(
  app: App,
  panel: string,
  theme: Theme,
  { state, mask = [] }: ShotOptions = {},
): Promise<void> {
  const { page } = app;
  if (panel !== 'window') await app.command('panel.open', { id: panel });
  // What hovers ends before the picture: in a real window the display's pointer may rest on a chart.
  await page.mouse.move(0, 0);
  await app.command('view.theme', { theme });
  await app.command('view.screenshotMode', { on: true });
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  await app.idle();
  expect(await page.evaluate(() => devicePixelRatio), 'device pixel ratio').toBe(1);
  const options = { mask, maskColor: '#808080', animations: 'disabled', caret: 'hide', scale: 'css' } as const;
  const name = `${state === undefined ? '' : `${state}-`}${panel}-${theme}.png`;
  if (panel === 'window') await expect(page).toHaveScreenshot(name, options);
  else await expect(page.getByTestId(`panel-${panel}`)).toHaveScreenshot(name, options);
  await app.command('view.screenshotMode', { on: false });
}
