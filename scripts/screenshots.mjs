// Takes the pixel baselines anew, with no tolerance, from the pinned Electron and nothing else.
// Usage: npm run screenshots [-- arguments for Playwright, such as --grep scales]

import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { runSpecs } from './e2e.mjs';
import { ensureElectron, pinnedElectron } from './fetch-electron.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';
import { tellAndExit } from './toolchain/entry.mjs';

await tellAndExit(async () => {
  await ensureDependencies();
  const { executable, pinned, version } = await ensureElectron();
  if (!pinned) {
    throw new Error(
      `baselines come from Electron ${pinnedElectron.version} only; MOESCOPE_ELECTRON names ${executable}, which is ${version}`,
    );
  }
  await buildNative();
  await buildBundles();
  const args = ['--update-snapshots=all', ...process.argv.slice(2)];
  const { failed, problem } = await runSpecs('electron', { limitS: 900, args, env: { MOESCOPE_REBASELINE: '1' } });
  if (failed > 0 || problem) throw new Error(`the baselines are not complete: ${problem ?? `${failed} specs failed`}`);
  console.log('baselines are in test/e2e/baselines; look at each changed picture before you commit it');
});
