import { defineConfig } from '@playwright/test';
import type { AppOptions } from './test/e2e/harness/app';

/**
 * One set of specs, two hosts. Pixel baselines come from the pinned Electron alone: its Chromium never moves. The web host
 * runs on the system's Chromium, so it is held to the same pictures only loosely. `npm run e2e` prepares what this needs.
 */
const rebaseline = process.env.MOESCOPE_REBASELINE === '1';

/** A batch on a busy two-core machine takes a second or two; what is not there after this is not coming. */
const expectMs = 15_000;

export default defineConfig<AppOptions>({
  testDir: 'test/e2e/specs',
  outputDir: 'test-results',
  snapshotPathTemplate: 'test/e2e/baselines/{arg}{ext}',
  updateSnapshots: 'none',
  forbidOnly: true,
  retries: 0,
  // Two cores: a second window would change the first one's timing.
  workers: 1,
  timeout: 90_000,
  globalTimeout: 20 * 60_000,
  use: { trace: 'retain-on-failure', actionTimeout: 15_000 },
  projects: [
    {
      name: 'electron',
      use: { host: 'electron' },
      // 1440 x 900 = 1.3 million pixels; what still differs between two runs on one binary is the edge of a glyph.
      expect: {
        timeout: expectMs,
        toHaveScreenshot: { maxDiffPixels: rebaseline ? 0 : 60, threshold: rebaseline ? 0 : 0.1 },
      },
    },
    {
      name: 'web',
      use: { host: 'web' },
      // What only Electron has (processes, its sandbox, its scheme) is not a spec of the web host.
      testIgnore: '**/electron-*.spec.ts',
      // Another Chromium draws text and lines a little differently; a missing panel or a wrong colour is far more than this.
      expect: { timeout: expectMs, toHaveScreenshot: { maxDiffPixelRatio: 0.06, threshold: 0.3 } },
    },
  ],
});
