import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FuseV1Options, FuseVersion } from '@electron/fuses';

/**
 * Packaging with Electron Forge. `npm run package` builds first, gets Forge, and passes what differs by environment; the
 * bundles in .vite hold everything from node_modules, so only they, package.json and the native addon are shipped.
 */

/** Set when packaging with the Electron that the tests run on (a folder with its zip): for checking packaging, not for users. */
const testElectron = process.env.MOESCOPE_PACKAGE_ELECTRON_ZIPS;
const testElectronVersion = process.env.MOESCOPE_PACKAGE_ELECTRON_VERSION;
/** A test build keeps the inspector, without which Playwright cannot attach. */
const inspectable = process.env.MOESCOPE_PACKAGE_INSPECTABLE === '1';

/** Built where nvcc was found; the app says why it has no cuda provider where it was not. */
const cudaLibrary = 'build/native/providers/libmoescope_cuda.so';

interface PackageJson {
  devDependencies: Record<string, string>;
  [key: string]: unknown;
}

/** Fuses of Electron 22 and later. */
const fuses = {
  [FuseV1Options.RunAsNode]: false,
  [FuseV1Options.EnableCookieEncryption]: true,
  [FuseV1Options.EnableNodeOptionsEnvironmentVariable]: false,
  [FuseV1Options.EnableNodeCliInspectArguments]: inspectable,
  [FuseV1Options.EnableEmbeddedAsarIntegrityValidation]: true,
  [FuseV1Options.OnlyLoadAppFromAsar]: true,
  [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
};

/** Fuses that Electron 22 does not have; setting them there ends the build. */
const laterFuses = {
  [FuseV1Options.GrantFileProtocolExtraPrivileges]: false,
  [FuseV1Options.WasmTrapHandlers]: true,
};

export default {
  packagerConfig: {
    name: 'MoEscope',
    executableName: 'moescope',
    appBundleId: 'org.moescope.app',
    asar: true,
    prune: false,
    ignore: (file: string) =>
      file !== '' && file !== '/package.json' && !/^\/\.vite($|\/(build|renderer)($|\/(?!.*\.map$)))/.test(file),
    // Beside the asar, where the addon's resolver looks: a library inside it would be copied to a temporary file to be loaded.
    extraResource: ['build/native/moescope.node', 'LICENSE', ...(existsSync(cudaLibrary) ? [cudaLibrary] : [])],
    ...(testElectron === undefined ? {} : { electronZipDir: testElectron }),
  },
  rebuildConfig: { onlyModules: [] },
  hooks: {
    // Forge reads the Electron version from here and from nowhere else.
    readPackageJson: async (_config: unknown, about: PackageJson): Promise<PackageJson> =>
      testElectronVersion === undefined
        ? about
        : { ...about, devDependencies: { ...about.devDependencies, electron: testElectronVersion } },
    // Nothing in the package is installed or run by npm.
    packageAfterCopy: async (_config: unknown, folder: string): Promise<void> => {
      const path = join(folder, 'package.json');
      const {
        devDependencies: _,
        scripts: __,
        bin: ___,
        ...about
      } = JSON.parse(readFileSync(path, 'utf8')) as PackageJson;
      writeFileSync(path, `${JSON.stringify(about, null, 2)}\n`);
    },
  },
  makers: [
    { name: '@electron-forge/maker-zip' },
    {
      name: '@electron-forge/maker-deb',
      platforms: ['linux'],
      config: { options: { bin: 'moescope', section: 'devel', categories: ['Development'], compression: 'zstd' } },
    },
  ],
  plugins: [
    {
      name: '@electron-forge/plugin-fuses',
      config: {
        version: FuseVersion.V1,
        resetAdHocDarwinSignature: true,
        strictlyRequireAllFuses: true,
        ...fuses,
        ...(testElectron === undefined ? laterFuses : {}),
      },
    },
  ],
};
