/** `moescope doctor`: what works on this machine, and what was never tried on which device. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Command } from 'commander';
import { AppError, type AppErrorData } from '../contract/errors';
import { thresholdVariable } from '../contract/layer';
import { listRules } from '../engine/dispatch/rules';
import { resolveThreshold } from '../engine/layer/threshold';
import type { Capabilities, DeviceInfo, NativeBinding } from '../engine/native/binding';
import { loadAddon } from '../engine/native/load';
import { toolVersion } from '../hosts/built';
import { CliContext } from './context';
import { setExitCode } from './exit-code';
import { addOptions, jsonOption, ownProviders, providerName } from './options';
import { bytesText } from './text';

/** Said here and in README: what nobody has run on the hardware yet. */
const neverRun = [
  'The kernels of the cuda provider for RTX Blackwell (sm_120, sm_121) are compiled by every build and were never run: development has Hopper GPUs only. With such a card, `node scripts/check-rtx.mjs` checks them and writes a report to send.',
  'The cpu and cuda providers reproduce the documented roundings and orders of b12x and CUTLASS; they were not compared with those kernels on a device.',
];

interface ProviderReport {
  name: string;
  version?: string;
  device?: DeviceInfo;
  capabilities?: Capabilities;
  error?: AppErrorData;
}

/** Adds the command to the program. */
export function register(program: Command): void {
  const command = program
    .command('doctor')
    .description('what works here: addon, SIMD, providers, Electron, browser, cache folder');
  command.option('--provider <library...>', 'also look at these provider libraries', []);
  addOptions(command, jsonOption()).action(doctor);
}

function doctor(options: { provider: string[] }, command: Command): void {
  const context = new CliContext(command);
  const addon = inspectAddon();
  const threshold = resolveThreshold({ env: context.env });
  const report = {
    version: toolVersion(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    addon: addon.found,
    providers: addon.binding ? inspectProviders(addon.binding, addon.folder, options.provider) : [],
    electron: findElectron(context.env),
    browser: findBrowser(context.env),
    display: process.platform !== 'linux' || Boolean(context.env.DISPLAY || context.env.WAYLAND_DISPLAY),
    ruleFiles: listRules(),
    cacheFolder: join(context.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'moescope'),
    threshold: { variable: thresholdVariable, ...threshold },
    neverRun,
  };
  context.result(report, () => asText(report));
  if (!addon.binding) setExitCode(command, 4);
}

interface AddonReport {
  path: string | null;
  simd: string[];
  activeSimd: string;
  threads: number;
  error?: AppErrorData;
}

function inspectAddon(): { found: AddonReport; binding: NativeBinding | null; folder: string } {
  try {
    const { binding, path } = loadAddon();
    const { simd, activeSimd, threads } = binding.info();
    return { found: { path, simd, activeSimd, threads }, binding, folder: dirname(path) };
  } catch (thrown) {
    const error = AppError.from(thrown).toData();
    return { found: { path: null, simd: [], activeSimd: 'none', threads: 0, error }, binding: null, folder: '' };
  }
}

/** The providers with a name, the one that stands for an older build where it was built, and those that were named. */
function inspectProviders(binding: NativeBinding, folder: string, named: readonly string[]): ProviderReport[] {
  const older = join(folder, 'providers', 'libmoescope_older_build.so');
  return [...ownProviders, ...(existsSync(older) ? [older] : []), ...named.map(providerName)].map((name) => {
    try {
      const provider = binding.openProvider(name);
      return { name, version: provider.version, device: provider.probe(), capabilities: provider.capabilities() };
    } catch (thrown) {
      return { name, error: AppError.from(thrown).toData() };
    }
  });
}

interface Found {
  path: string | null;
  why: string;
}

/** The Electron that `npm start` would open, without downloading it. */
function findElectron(env: Record<string, string | undefined>): Found {
  const named = env.MOESCOPE_ELECTRON;
  if (named)
    return existsSync(named)
      ? { path: named, why: 'MOESCOPE_ELECTRON' }
      : { path: null, why: `MOESCOPE_ELECTRON names ${named}, which does not exist` };
  try {
    const home = dirname(createRequire(import.meta.url).resolve('electron/package.json'));
    const path = join(home, 'dist', readFileSync(join(home, 'path.txt'), 'utf8').trim());
    return existsSync(path) ? { path, why: "npm's electron" } : { path: null, why: 'its binary is not downloaded yet' };
  } catch {
    return {
      path: null,
      why: 'its binary is not downloaded yet; `npm start` tries to, and serves a browser otherwise',
    };
  }
}

function findBrowser(env: Record<string, string | undefined>): Found {
  const named = env.MOESCOPE_CHROMIUM;
  if (named)
    return existsSync(named)
      ? { path: named, why: 'MOESCOPE_CHROMIUM' }
      : { path: null, why: `MOESCOPE_CHROMIUM names ${named}, which does not exist` };
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']) {
      const path = join(folder, name);
      if (folder && existsSync(path)) return { path, why: 'PATH' };
    }
  }
  return { path: null, why: 'no Chromium in PATH' };
}

function asText(report: {
  version: string;
  node: string;
  platform: string;
  addon: AddonReport;
  providers: ProviderReport[];
  electron: Found;
  browser: Found;
  display: boolean;
  ruleFiles: ReturnType<typeof listRules>;
  cacheFolder: string;
  threshold: ReturnType<typeof resolveThreshold> & { variable: string };
  neverRun: string[];
}): string {
  const { addon, threshold } = report;
  const found = ({ path, why }: Found) => (path ? `${path} (${why})` : `not found: ${why}`);
  return [
    `moescope ${report.version} on Node ${report.node}, ${report.platform}`,
    addon.path
      ? `addon      ${addon.path}; SIMD ${addon.activeSimd} (compiled in: ${addon.simd.join(', ')}), ${addon.threads} threads`
      : `addon      NOT LOADED: ${addon.error?.found ?? addon.error?.message}\n           ${addon.error?.remedy ?? ''}`,
    ...report.providers.flatMap(providerText),
    `threshold  ${threshold.threshold.tokens} (${threshold.threshold.origin.kind} ${threshold.variable})`,
    ...threshold.warnings.map((warning) => `           warning: ${warning}`),
    ...report.ruleFiles.map(({ id, source, date }) => `rules      ${id} (${date}): ${source}`),
    `Electron   ${found(report.electron)}`,
    `browser    ${found(report.browser)}`,
    `display    ${report.display ? 'yes' : 'none: the window is served to a browser'}`,
    `cache      ${report.cacheFolder}`,
    'not proven',
    ...report.neverRun.map((line) => `  - ${line}`),
  ].join('\n');
}

function providerText(provider: ProviderReport): string[] {
  const { capabilities, device, error } = provider;
  if (!capabilities || !device) {
    const line = `provider   ${provider.name}: ${error?.message ?? 'cannot be used'}`;
    return error?.remedy ? [line, `           ${error.remedy}`] : [line];
  }
  const memory = device.memoryBytes > 0 ? `, ${bytesText(device.memoryBytes)}` : '';
  return [
    `provider   ${provider.name} ${provider.version}: ${device.available ? `${device.name} (${device.arch}${memory})` : `not available: ${device.reason}`}`,
    `           paths ${capabilities.paths.join(', ')}; activations ${capabilities.activations.join(', ')}`,
    `           contracts ${capabilities.contracts.join(', ')}`,
    `           cutlass_prefill_threshold ${capabilities.cutlassPrefillThreshold ? 'yes' : 'no (as an older build: hybrid is refused)'}; taps ${capabilities.taps.join(', ') || 'none'}; timed by ${capabilities.timingSource}`,
  ];
}
