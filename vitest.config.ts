import { defineConfig } from 'vitest/config';

/** Unit, contract and architecture tests: plain Node, no browser, no Electron. The end-to-end specs belong to Playwright. */
export default defineConfig({
  test: {
    setupFiles: ['test/setup/properties.ts'],
    environment: 'node',
    include: [
      'test/unit/**/*.test.{ts,tsx}',
      'test/contract/**/*.test.{ts,tsx}',
      'test/architecture/**/*.test.ts',
      'electron/**/*.test.ts',
      'renderer/**/*.test.{ts,tsx}',
      'scripts/**/*.test.ts',
    ],
    // A test may start a provider on a cold file cache; what hangs longer than this is a defect.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // One process a file: a fault in the addon fails that file and leaves the other files' counts standing.
    pool: 'forks',
    maxWorkers: 2,
    allowOnly: false,
    passWithNoTests: false,
  },
});
