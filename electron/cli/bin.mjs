#!/usr/bin/env node
// Starts the bundled command line. Kept as plain JavaScript so that it runs, and can explain itself, before any build.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const bundle = fileURLToPath(new URL('../../.vite/build/cli.cjs', import.meta.url));

if (existsSync(bundle)) {
  createRequire(import.meta.url)(bundle);
} else {
  process.stderr.write('moescope: the command line is not built yet; run `npm run build` first.\n');
  // 4 = cannot run here, as in the table of exit codes.
  process.exitCode = 4;
}
