import { writeFileSync } from 'node:fs';
import { type App, expect, test } from '../harness/app';
import { endLatencyProbe, type InputLatency, startLatencyProbe } from '../harness/latency';

/**
 * The window while layers load and batches run. scripts/measure-responsiveness.mjs runs this with a large layer for longer
 * and keeps the figures; by itself it takes the demo checkpoint and a few seconds.
 */
const large = process.env.MOESCOPE_RESPONSIVENESS_CHECKPOINT;
const seconds = Number(process.env.MOESCOPE_RESPONSIVENESS_SECONDS ?? 3);
const results = process.env.MOESCOPE_RESPONSIVENESS_RESULTS;
const limitMs = 100;

test.use({ open: large, softwareGl: false });

/** Loads the layer under one contract after the other for so long; gives each load's milliseconds. */
function loadForSeconds(app: App): Promise<number[]> {
  return app.page.evaluate(async (limit) => {
    const { moescope } = window as unknown as { moescope: { command(id: string, args: unknown): Promise<unknown> } };
    const took: number[] = [];
    const contracts = ['clean', 'activation-alpha', 'unit-alpha'];
    for (const start = performance.now(); performance.now() - start < limit * 1000; ) {
      const from = performance.now();
      await moescope.command('layer.load', { layer: 0, contract: contracts[took.length % contracts.length] });
      took.push(performance.now() - from);
    }
    return took;
  }, seconds);
}

/** Types into the palette and clicks the timeline's buttons until told to stop. */
async function useWindow({ page }: App, until: () => boolean): Promise<void> {
  while (!until()) {
    await page.keyboard.press('Control+K');
    await page.keyboard.type('theme', { delay: 15 });
    await page.keyboard.press('Escape');
    for (const name of ['Zoom in', 'Zoom out', 'All']) await page.getByRole('button', { name, exact: true }).click();
  }
}

/** Milliseconds from press to drawn frame. */
function summary(inputs: readonly InputLatency[]) {
  const sorted = inputs.map(({ ms }) => ms).sort((a, b) => a - b);
  return {
    presses: sorted.length,
    median: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    longest: quantile(sorted, 1),
  };
}

const quantile = (sorted: number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;

test('typing and clicking stay quick while layers load, and progress is shown', async ({ app, host }) => {
  test.setTimeout(90_000 + seconds * 2000);
  // Once unmeasured: what is opened for the first time is fetched and compiled then.
  let rounds = 0;
  await useWindow(app, () => rounds++ > 0);
  // The same presses with an idle engine: what they cost on this machine, as busy as it is now, without any loading.
  await startLatencyProbe(app.page);
  const idleUntil = Date.now() + Math.max(2000, seconds * 300);
  await useWindow(app, () => Date.now() > idleUntil);
  const idle = summary((await endLatencyProbe(app.page)).inputs);

  await startLatencyProbe(app.page);
  let done = false;
  const loading = loadForSeconds(app).finally(() => {
    done = true;
  });
  await useWindow(app, () => done);
  const loads = await loading;
  const { inputs, longestFrameGap, progress } = await endLatencyProbe(app.page);
  const sortedLoads = [...loads].sort((a, b) => a - b);
  const figures = {
    host,
    loads: loads.length,
    loadMs: { median: quantile(sortedLoads, 0.5), longest: quantile(sortedLoads, 1) },
    idle,
    loading: summary(inputs),
    longestFrameGapMs: longestFrameGap,
    progress,
  };
  if (results) writeFileSync(`${results}-${host}.json`, JSON.stringify(figures));
  expect(inputs.length).toBeGreaterThan(20);
  // 95 of 100 presses. Measured with nothing else running: 53 ms (web) and 35 ms (Electron), docs/responsiveness.md. Where other work
  // keeps even an idle window waiting, twice idle: at a load average of 12.8 on two cores the web host gave 246 ms against 138 ms idle.
  const limit = Math.max(limitMs, 2 * idle.p95);
  expect(figures.loading.p95, JSON.stringify(figures)).toBeLessThan(limit);
  // The bar comes after 300 ms.
  if (figures.loadMs.longest > 600) expect(progress.labels).toContain('loading the layer');
});

test('what takes long can be cancelled and leaves a window that works', async ({ app }) => {
  const { page } = app;
  await app.command('run.workload', { kind: 'mix', seed: 7, rate: 0, batches: 0 });
  const step = app.command('run.step', { tokens: 4096 }).then(
    () => 'ran to its end',
    (thrown: Error) => thrown.message,
  );
  const progress = page.getByTestId('progress');
  await expect(progress.getByRole('progressbar', { name: 'Running one batch' })).toBeVisible();
  await progress.getByRole('button', { name: 'Cancel' }).click();
  await expect(progress).toBeHidden();
  expect(await step).toContain('cancel');
  expect(await app.command('run.step', { tokens: 1 })).toMatchObject({ index: 0, tokens: 1 });
  if (large === undefined) return;

  // A quick machine may load between two looks of this test: it loads again until a load was cancelled.
  const load = page.evaluate(async () => {
    const { moescope } = window as unknown as { moescope: { command(id: string, args: unknown): Promise<unknown> } };
    for (let round = 0; round < 30; round++) {
      const contract = round % 2 === 0 ? 'clean' : 'unit-alpha';
      const ended = await moescope.command('layer.load', { layer: 0, contract }).then(
        () => null,
        (thrown: Error) => thrown.message,
      );
      if (ended !== null) return ended;
    }
    return 'every load ran to its end';
  });
  await progress.getByRole('button', { name: 'Cancel' }).click();
  await expect(progress).toBeHidden();
  expect(await load).toContain('cancel');
  await app.command('layer.load', { layer: 0, contract: 'clean' });
  expect(await app.command('run.step', { tokens: 1 })).toMatchObject({ index: 0, tokens: 1 });
});
