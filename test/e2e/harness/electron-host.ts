import { _electron } from '@playwright/test';
import type { Launch, RunningHost } from './host';
import { prepared, repository } from './prepared';
import { appEnvironment, renderingSwitches, windowSize } from './rendering';

/** Starts the app in the real Electron, as `electron REPOSITORY --moescope-test [CHECKPOINT]`. */
export async function startElectronHost({ open, folder, softwareGl }: Launch): Promise<RunningHost> {
  if (!process.env.DISPLAY) throw new Error('DISPLAY is not set: run the specs with `npm run e2e`, which starts Xvfb');
  const app = await _electron.launch({
    executablePath: prepared('electron'),
    args: [
      ...(softwareGl ? renderingSwitches : ['--disable-gpu']),
      `--user-data-dir=${folder}`,
      repository,
      '--moescope-test',
      `--window-size=${windowSize.width}x${windowSize.height}`,
      ...(open === undefined ? [] : [open]),
    ],
    cwd: repository,
    env: appEnvironment(folder),
    timeout: 60_000,
  });
  const lines: string[] = [];
  const process_ = app.process();
  process_.stdout?.on('data', (part) => lines.push(String(part)));
  process_.stderr?.on('data', (part) => lines.push(String(part)));
  try {
    const page = await app.firstWindow({ timeout: 60_000 });
    // Playwright's viewport does nothing here: the window itself has to have the size.
    await page.waitForFunction((size) => innerWidth === size.width && innerHeight === size.height, windowSize);
    const enginePid = () =>
      app.evaluate(
        ({ app: main }) =>
          main.getAppMetrics().find(({ serviceName }) => serviceName === 'node.mojom.NodeService')?.pid,
      );
    return { page, electron: app, output: () => lines.join(''), enginePid, close: () => closeFirmly(app) };
  } catch (error) {
    await closeFirmly(app);
    throw new Error(`the app did not open its window in Electron\n${lines.join('')}`, { cause: error });
  }
}

/** A window that will not close is a defect of the app, but must not stop the other tests. */
async function closeFirmly(app: Awaited<ReturnType<typeof _electron.launch>>): Promise<void> {
  const process_ = app.process();
  const limit = setTimeout(() => process_.kill('SIGKILL'), 10_000);
  await app.close();
  clearTimeout(limit);
}
