// Packages the app with Electron Forge into out/.
// Usage: npm run package [-- --test-electron] [--targets zip,deb]
//   --test-electron: on the Electron of the tests and with the inspector on, to check the package itself; not for users.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildBundles } from './build.mjs';
import { buildNative } from './build-native.mjs';
import { ensureElectron } from './fetch-electron.mjs';
import { failureOf, runChild } from './toolchain/child.mjs';
import { ensureDependencies } from './toolchain/dependencies.mjs';
import { tellAndExit } from './toolchain/entry.mjs';
import { withLock } from './toolchain/lock.mjs';
import { cacheFolder, repository } from './toolchain/places.mjs';

const forge = '8.0.1';
/** Forge 8 needs Node 22; where there is an older one it runs on this one, from npm. */
const oldestNode = 22;
const nodeForForge = '24.21.0';

/** Forge stays out of node_modules: it is 150 packages that nothing else here needs, and not for every Node we support. */
async function ensureForge() {
  const folder = cacheFolder(`forge-${forge}`);
  const ready = join(folder, 'ready');
  const borrowed =
    Number.parseInt(process.versions.node, 10) < oldestNode ? `node-${process.platform}-${process.arch}` : undefined;
  await withLock(`${cacheFolder('locks')}/forge`, async () => {
    if (existsSync(ready)) return;
    console.log(`getting Electron Forge ${forge}${borrowed ? ` and Node ${nodeForForge} for it` : ''}`);
    const parts = ['cli', 'core', 'plugin-fuses', 'maker-zip', 'maker-deb'].map((name) => [
      `@electron-forge/${name}`,
      forge,
    ]);
    const dependencies = {
      ...Object.fromEntries(parts),
      '@electron/fuses': '2.1.3',
      // An optional part of maker-deb, which npm would leave out when it runs on an older Node itself.
      ...(process.platform === 'win32' ? {} : { 'electron-installer-debian': '4.0.0' }),
      ...(borrowed ? { [borrowed]: nodeForForge } : {}),
    };
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ name: 'moescope-packaging', private: true, dependencies }),
    );
    const result = await runChild('npm', ['install', '--no-progress', '--no-audit', '--no-fund'], {
      limitS: 600,
      cwd: folder,
      quiet: true,
    });
    const failure = failureOf(result);
    if (failure)
      throw new Error(
        `npm install of Electron Forge ${failure}\n${result.output.trim().split('\n').slice(-8).join('\n')}`,
      );
    writeFileSync(ready, '');
  });
  const node = borrowed ? join(folder, 'node_modules', borrowed, 'bin', 'node') : process.execPath;
  return { node, cli: join(folder, 'node_modules/@electron-forge/cli/dist/electron-forge.js') };
}

/** Forge takes an Electron from a folder of release zips; makes one from the test binary's tree. */
async function testElectronZips() {
  const { executable, version } = await ensureElectron();
  const zips = cacheFolder(`electron-${version}-zip`);
  const base = join(zips, `electron-v${version}-linux-x64`);
  if (!existsSync(`${base}.zip`)) {
    const zip =
      "import os, shutil, sys; os.rename(shutil.make_archive(sys.argv[1] + '.partial', 'zip', sys.argv[2]), sys.argv[1] + '.zip')";
    const failure = failureOf(await runChild('python3', ['-c', zip, base, dirname(executable)], { limitS: 300 }));
    if (failure) throw new Error(`the zip of the test Electron was not made: python3 ${failure}`);
  }
  return {
    MOESCOPE_PACKAGE_ELECTRON_ZIPS: zips,
    MOESCOPE_PACKAGE_ELECTRON_VERSION: version,
    MOESCOPE_PACKAGE_INSPECTABLE: '1',
  };
}

await tellAndExit(async () => {
  const { values } = parseArgs({ options: { 'test-electron': { type: 'boolean' }, targets: { type: 'string' } } });
  await ensureDependencies();
  await buildNative({ cuda: true });
  await buildBundles();
  const { node, cli } = await ensureForge();
  const electron = values['test-electron'] ? await testElectronZips() : {};
  const env = { ...process.env, ...electron, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
  mkdirSync(join(repository, 'out'), { recursive: true });
  rmSync(join(repository, 'out', 'make'), { recursive: true, force: true });
  const makers = values.targets?.split(',').map((name) => `@electron-forge/maker-${name}`);
  const task = makers ? ['make', '--targets', makers.join(',')] : ['package'];
  const failure = failureOf(await runChild(node, [cli, ...task], { limitS: 900, env }));
  if (failure) throw new Error(`electron-forge ${task[0]} ${failure}`);
  console.log('the package is in out/');
});
