import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, test as base, chromium, type ElectronApplication, expect, type Page } from '@playwright/test';
import { startElectronHost } from './electron-host';
import type { HostName } from './host';
import { prepared } from './prepared';
import { quietSwitches, renderingSwitches } from './rendering';
import { startWebHost } from './web-host';

/** What the window offers to tests, on both hosts: the same commands as its palette, and a signal that it has settled. */
interface WindowUnderTest {
  moescope: { command(id: string, args?: unknown): unknown; idle(): Promise<void> };
}

export interface App {
  page: Page;
  host: HostName;
  /** Only on the electron host: the main process. */
  electron: ElectronApplication | undefined;
  /** Process of the engine. */
  enginePid(): Promise<number | undefined>;
  /** A folder for this test's files (recordings, exports); removed afterwards. */
  folder: string;
  /** Runs a window command by its id, as the palette would; gives back what the command gives, if it can be cloned. */
  command(id: string, args?: unknown): Promise<unknown>;
  /** Waits until no request is pending and nothing has been drawn for 100 ms. Use it instead of any sleep. */
  idle(): Promise<void>;
}

export interface AppOptions {
  /** Set by the Playwright project. */
  host: HostName;
  /** Checkpoint or session the app is started on; undefined: the demo checkpoint; null: none. */
  open: string | null | undefined;
  /** See Launch; only the electron host heeds it. */
  softwareGl: boolean;
}

interface WorkerFixtures {
  webBrowser: () => Promise<Browser>;
}

/** `test` of every spec: gives the running app on the project's host, and fails a test whose page threw. */
export const test = base.extend<AppOptions & { app: App }, WorkerFixtures>({
  host: ['web', { option: true }],
  open: [undefined, { option: true }],
  softwareGl: [true, { option: true }],

  // One browser a worker, made only if the web host asks for it; each test has its own context and server.
  webBrowser: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixture's needs from this pattern
    async ({}, use) => {
      let browser: Promise<Browser> | undefined;
      await use(() => {
        browser ??= chromium.launch({
          executablePath: prepared('chromium'),
          args: [...quietSwitches, ...renderingSwitches],
          timeout: 60_000,
        });
        return browser;
      });
      await (await browser)?.close();
    },
    { scope: 'worker' },
  ],

  app: async ({ host, open, softwareGl, webBrowser }, use, testInfo) => {
    const folder = mkdtempSync(join(tmpdir(), 'moescope-e2e-'));
    const launch = { open: open === null ? undefined : (open ?? prepared('checkpoint')), folder, softwareGl };
    const running =
      host === 'electron' ? await startElectronHost(launch) : await startWebHost(launch, await webBrowser());
    const { page } = running;
    const thrown: string[] = [];
    page.on('pageerror', (error) => thrown.push(error.stack ?? error.message));
    try {
      await page.waitForFunction(() => 'moescope' in window, undefined, { timeout: 30_000 });
      // The window may come before its engine has loaded what was named.
      const badge = launch.open === undefined ? /nothing open/ : /LIVE|REPLAY/;
      await expect(page.getByTestId('source-badge')).toHaveText(badge, { timeout: 60_000 });
      await use({
        page,
        host,
        electron: running.electron,
        enginePid: running.enginePid,
        folder,
        command: (id, args) => page.evaluate(runCommand, { id, args }),
        idle: () => page.evaluate(() => (window as unknown as WindowUnderTest).moescope.idle()),
      });
      expect(thrown, 'errors thrown in the window').toEqual([]);
    } finally {
      if (testInfo.status !== testInfo.expectedStatus) {
        await testInfo.attach('app output', { body: running.output(), contentType: 'text/plain' });
      }
      await running.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    }
  },
});

const runCommand = ({ id, args }: { id: string; args: unknown }) =>
  (window as unknown as WindowUnderTest).moescope.command(id, args);

export { expect };
