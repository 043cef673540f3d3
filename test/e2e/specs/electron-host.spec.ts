import { readFileSync } from 'node:fs';
import type { ElectronApplication } from '@playwright/test';
import { type App, expect, test } from '../harness/app';

/** What only the real Electron can show: its processes, its sandbox, its own scheme. */
test.use({ open: null });

function desktop({ electron }: App): ElectronApplication {
  if (electron === undefined) throw new Error('these specs are for the electron host');
  return electron;
}

test('the engine is in a utility process, and its end is survived', async ({ app, host }) => {
  if (host !== 'electron') return;
  const first = await app.enginePid();
  expect(first).toBeGreaterThan(0);
  process.kill(first!, 'SIGSEGV');
  await expect(app.page.getByText('The engine process ended (signal SIGSEGV)')).toBeVisible();
  const restart = app.page.getByRole('alert').getByRole('button', { name: 'Restart engine' });
  await restart.click();
  await expect(restart).toBeHidden();
  const second = await app.enginePid();
  expect(second).toBeGreaterThan(0);
  expect(second).not.toBe(first);
  await app.idle();
});

test('a page that dies is loaded again, on the same engine', async ({ app, host }) => {
  if (host !== 'electron') return;
  const electron = desktop(app);
  const engine = await app.enginePid();
  const text = await electron.evaluate(async ({ BrowserWindow }) => {
    const window = BrowserWindow.getAllWindows()[0]!;
    const loaded = new Promise((done) => window.webContents.once('did-finish-load', () => done(undefined)));
    window.webContents.forcefullyCrashRenderer();
    await loaded;
    const look =
      "new Promise((done) => { const see = () => document.querySelector('[data-testid=status-bar]') ? done('there') : setTimeout(see, 20); see(); })";
    return window.webContents.executeJavaScript(look) as Promise<string>;
  });
  expect(text).toBe('there');
  expect(await app.enginePid()).toBe(engine);
});

test('the page has its own origin, and leaves it for nothing', async ({ app, host }) => {
  if (host !== 'electron') return;
  const { page } = app;
  expect(page.url()).toMatch(/^moescope:\/\/app\/index\.html/);
  const seen = await page.evaluate(async () => {
    const status = async (path: string) => (await fetch(path)).status;
    const policy = (await fetch('./index.html')).headers.get('content-security-policy');
    const outside = await fetch('https://example.com/').then(
      () => 'answered',
      () => 'refused',
    );
    return {
      isolated: crossOriginIsolated,
      opened: window.open('https://example.com/') === null ? 'refused' : 'opened',
      outside,
      policy,
      traversal: [
        await status('moescope://app/../package.json'),
        await status('moescope://app/%2e%2e/%2e%2e/build/main.cjs'),
      ],
      notifications: await Notification.requestPermission(),
      bridge: Object.keys((window as unknown as { moescopeHost: object }).moescopeHost).sort(),
    };
  });
  expect(seen).toMatchObject({
    isolated: true,
    opened: 'refused',
    outside: 'refused',
    traversal: [404, 404],
    notifications: 'denied',
    bridge: ['about', 'onCommand', 'onEngine', 'openPort', 'pickFolder', 'restartEngine', 'saveFile'],
  });
  expect(seen.policy).toContain("default-src 'none'");
  expect(seen.policy).not.toContain('unsafe');
  await page.evaluate(() => {
    location.href = 'https://example.com/';
  });
  await app.idle();
  expect(page.url()).toMatch(/^moescope:\/\/app\//);
});

test('no process of the page may gain privileges', async ({ app, host }) => {
  if (host !== 'electron') return;
  const pid = await desktop(app).evaluate(({ BrowserWindow }) =>
    BrowserWindow.getAllWindows()[0]!.webContents.getOSProcessId(),
  );
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
});
