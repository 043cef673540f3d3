/** What is said of the cuda provider where its library, or a driver, is missing: in doctor, to run, and to the window. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { addonVariable, loadAddon } from '../../../electron/engine/native/load';
import { makeTiny, type TemporaryFolder, temporaryFolder } from '../../fixtures/checkpoints/tiny';

let made: TemporaryFolder;
let checkpoint: string;
let ourAddon: string;
beforeAll(async () => {
  ourAddon = loadAddon().path;
  made = await temporaryFolder();
  checkpoint = await makeTiny(join(made.path, 'tiny'), { scales: 'power-of-two' });
});
afterAll(() => made.dispose());

/** An addon of its own folder, so that what lies beside it is the test's. */
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moescope-cuda-'));
  copyFileSync(ourAddon, join(folder, 'moescope.node'));
  vi.stubEnv(addonVariable, join(folder, 'moescope.node'));
  vi.resetModules();
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const library = () => join(folder, 'providers', 'libmoescope_cuda.so');
function withoutDriver() {
  mkdirSync(join(folder, 'providers'));
  copyFileSync(join(dirname(ourAddon), 'providers', 'libmoescope_cuda_without_driver.so'), library());
}

interface Told {
  name: string;
  device?: { available: boolean; reason: string };
  error?: { code: string; message: string; remedy: string };
}

async function doctor() {
  const { cli } = await import('../../fixtures/cli');
  const { json, code } = await cli(['doctor', '--json']);
  expect(code).toBe(0);
  const told = (json as unknown as { providers: Told[] }).providers.find(({ name }) => name === 'cuda');
  const { out } = await cli(['doctor']);
  return { told, out };
}

async function windowDevice() {
  const { loadBinding } = await import('../../../electron/engine/native/load');
  const { deviceNamed } = await import('../../../electron/engine/run/native-loader');
  return deviceNamed(loadBinding(), 'cuda');
}

describe('no library', () => {
  it('doctor names the file and how to build it', async () => {
    const { told, out } = await doctor();
    expect(told?.error).toMatchObject({
      code: 'provider-load',
      message: `the cuda provider is not built: there is no ${library()}`,
      remedy: expect.stringContaining('node scripts/build-native.mjs --cuda'),
    });
    expect(out).toContain(`provider   cuda: ${told?.error?.message}`);
    expect(out).toContain(told?.error?.remedy);
  });

  it('the window lists it as not available, with the reason', async () => {
    expect(await windowDevice()).toMatchObject({
      provider: 'cuda',
      available: false,
      threshold: false,
      reason: expect.stringMatching(/not built.*; build it with `node scripts\/build-native\.mjs --cuda`/),
    });
  });

  it('run ends with code 4', async () => {
    const { cli } = await import('../../fixtures/cli');
    const { code, errorCode } = await cli(['verify', checkpoint, '--provider', 'cuda', '--json']);
    expect({ code, errorCode }).toEqual({ code: 4, errorCode: 'provider-load' });
  });
});

describe('no driver', () => {
  const reason = 'no NVIDIA driver was found (libcuda.so.1 cannot be loaded); install the NVIDIA driver, 580 or newer';

  it('doctor says which to install', async () => {
    withoutDriver();
    const { told, out } = await doctor();
    expect(told?.device).toMatchObject({ available: false, reason });
    expect(out).toContain(`not available: ${reason}`);
  });

  it('the window lists it as not available, with the reason', async () => {
    withoutDriver();
    expect(await windowDevice()).toMatchObject({ provider: 'cuda', available: false, threshold: true, reason });
  });

  it('verify ends with code 4', async () => {
    withoutDriver();
    const { cli } = await import('../../fixtures/cli');
    const { code, errorCode } = await cli(['verify', checkpoint, '--provider', 'cuda', '--json']);
    expect({ code, errorCode }).toEqual({ code: 4, errorCode: 'no-device' });
  });
});
