import { fileURLToPath } from 'node:url';

/** Absolute path of the repository, which is the app's folder. */
export const repository = fileURLToPath(new URL('../../..', import.meta.url));

const variables = {
  electron: 'MOESCOPE_E2E_ELECTRON',
  chromium: 'MOESCOPE_E2E_CHROMIUM',
  checkpoint: 'MOESCOPE_E2E_CHECKPOINT',
} as const;

/**
 * A path that scripts/e2e.mjs found or made before it started Playwright.
 * @throws Error when Playwright was started by itself.
 */
export function prepared(what: keyof typeof variables): string {
  const path = process.env[variables[what]];
  if (!path)
    throw new Error(`${variables[what]} is not set: run the specs with \`npm run e2e\`, which prepares what they need`);
  return path;
}
