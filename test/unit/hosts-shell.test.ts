import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserWindow, Dialog, IpcMain, WebContents } from 'electron';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { channels, type Outcome } from '../../electron/contract/bridge';
import { shellRequests } from '../../electron/contract/messages';
import { pickFolder, saveFile } from '../../electron/shell/dialogs';
import { untilDriven } from '../../electron/shell/driver';
import { menuCommands, menuTemplate } from '../../electron/shell/menu';
import { isTrusted, type ShellHandlers, serveShell } from '../../electron/shell/requests';
import {
  bundleAnswers,
  declareScheme,
  isWindowOrigin,
  type SchemeProtocol,
  serveScheme,
} from '../../electron/shell/scheme';
import { denyNavigation, denyPermissions, limitDownloads, securePreferences } from '../../electron/shell/security';
import { openSettings, visibleBounds } from '../../electron/shell/settings';
import { setTestSwitches } from '../../electron/shell/switches';

/** Part of Electron that a test plays; the cast is here and nowhere else. */
const played = <T>(part: unknown): T => part as T;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moescope-shell-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the origin of the window', () => {
  it.each([
    ['moescope://app/index.html', true],
    ['moescope://app', true],
    ['moescope://app.evil/index.html', false],
    ['moescope://appx/', false],
    ['moescope://evil@app/', false],
    ['moescopex://app/', false],
    ['https://app/', false],
    ['file:///app/index.html', false],
    ['about:blank', false],
    ['', false],
    ['nonsense', false],
  ])('%s: %s', (address, own) => {
    expect(isWindowOrigin(address)).toBe(own);
  });
});

describe('the scheme', () => {
  const read = async (path: string) =>
    path === '/a.js' ? { bytes: Buffer.from('x'), type: 'text/javascript' } : undefined;
  const answer = bundleAnswers(read, { 'Content-Security-Policy': "default-src 'none'" });

  it('answers files of the bundle with the headers, and nothing else', async () => {
    const headers = { 'Content-Security-Policy': "default-src 'none'", 'Content-Type': 'text/javascript' };
    expect(await answer('moescope://app/a.js?x#y', 'GET')).toEqual({ status: 200, headers, bytes: Buffer.from('x') });
    expect((await answer('moescope://app/b.js', 'GET')).status).toBe(404);
    expect((await answer('moescope://other/a.js', 'GET')).status).toBe(404);
    expect(await answer('moescope://app/a.js', 'POST')).toMatchObject({
      status: 405,
      headers: { 'Content-Security-Policy': expect.any(String) },
    });
  });

  it('is declared without a way round the CSP', () => {
    const registerSchemesAsPrivileged = vi.fn();
    declareScheme({ registerSchemesAsPrivileged });
    expect(registerSchemesAsPrivileged).toHaveBeenCalledWith([
      { scheme: 'moescope', privileges: expect.objectContaining({ standard: true, secure: true, bypassCSP: false }) },
    ]);
  });

  it('uses protocol.handle where there is one (Electron 25 and later)', async () => {
    const handle = vi.fn();
    const registerBufferProtocol = vi.fn();
    serveScheme(played<SchemeProtocol>({ handle, registerBufferProtocol }), answer);
    expect(registerBufferProtocol).not.toHaveBeenCalled();
    const [scheme, handler] = handle.mock.calls[0]! as [string, (request: object) => Promise<Response>];
    expect(scheme).toBe('moescope');
    const response = await handler({ url: 'moescope://app/a.js', method: 'GET' });
    expect([response.status, response.headers.get('content-security-policy'), await response.text()]).toEqual([
      200,
      "default-src 'none'",
      'x',
    ]);
  });

  it('and registerBufferProtocol where there is not (Electron 22)', async () => {
    const registerBufferProtocol = vi.fn();
    serveScheme(played<SchemeProtocol>({ registerBufferProtocol }), answer);
    const handler = registerBufferProtocol.mock.calls[0]![1] as (
      request: object,
      respond: (reply: unknown) => void,
    ) => void;
    const reply = await new Promise((done) => handler({ url: 'moescope://app/a.js', method: 'GET' }, done));
    expect(reply).toMatchObject({ statusCode: 200, mimeType: 'text/javascript', data: Buffer.from('x') });
    serveScheme(played<SchemeProtocol>({ registerBufferProtocol }), () => Promise.reject(new Error('disk')));
    const broken = registerBufferProtocol.mock.calls[1]![1] as typeof handler;
    expect(await new Promise((done) => broken({ url: 'moescope://app/a.js', method: 'GET' }, done))).toEqual({
      error: -2,
    });
  });
});

describe('what a page may not do', () => {
  it('the preferences say it', () => {
    expect(securePreferences('/p.cjs')).toMatchObject({
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      webSecurity: true,
      webviewTag: false,
      allowRunningInsecureContent: false,
      experimentalFeatures: false,
    });
  });

  it('no windows, webviews, redirects, or navigation away', () => {
    const made: ((event: unknown, contents: WebContents) => void)[] = [];
    denyNavigation(played({ on: (_name: string, listener: (typeof made)[0]) => made.push(listener) }));
    const heard = new Map<string, (event: { preventDefault(): void }, address: string) => void>();
    let openHandler: (details: unknown) => { action: string } = () => ({ action: 'allow' });
    let at = 'moescope://app/index.html';
    made[0]!(
      {},
      played<WebContents>({
        setWindowOpenHandler: (handler: typeof openHandler) => {
          openHandler = handler;
        },
        on: (name: string, listener: never) => heard.set(name, listener),
        getURL: () => at,
      }),
    );
    const prevented = (name: string, address: string) => {
      const preventDefault = vi.fn();
      heard.get(name)!({ preventDefault }, address);
      return preventDefault.mock.calls.length === 1;
    };
    expect(openHandler({ url: 'moescope://app/' })).toEqual({ action: 'deny' });
    expect(prevented('will-attach-webview', '')).toBe(true);
    expect(prevented('will-redirect', 'moescope://app/')).toBe(true);
    expect(prevented('will-navigate', 'https://example.com/')).toBe(true);
    expect(prevented('will-navigate', 'moescope://app.evil/')).toBe(true);
    expect(prevented('will-navigate', 'moescope://app/index.html')).toBe(false);
    at = 'https://example.com/';
    expect(prevented('will-navigate', 'moescope://app/index.html')).toBe(true);
  });

  it('no permission but to put text on the clipboard, for itself', () => {
    let request: (
      contents: unknown,
      permission: string,
      answer: (granted: boolean) => void,
      details: { requestingUrl: string },
    ) => void = () => undefined;
    let check: (contents: unknown, permission: string, origin: string) => boolean = () => true;
    let device: () => boolean = () => true;
    denyPermissions(
      played({
        setPermissionRequestHandler: (handler: typeof request) => {
          request = handler;
        },
        setPermissionCheckHandler: (handler: typeof check) => {
          check = handler;
        },
        setDevicePermissionHandler: (handler: typeof device) => {
          device = handler;
        },
      }),
    );
    const asked = (permission: string, requestingUrl: string) => {
      const answer = vi.fn();
      request(null, permission, answer, { requestingUrl });
      return answer.mock.calls[0]![0] as boolean;
    };
    for (const permission of [
      'media',
      'geolocation',
      'notifications',
      'clipboard-read',
      'openExternal',
      'fullscreen',
      'unknown',
    ]) {
      expect(asked(permission, 'moescope://app/')).toBe(false);
      expect(check(null, permission, 'moescope://app')).toBe(false);
    }
    expect(asked('clipboard-sanitized-write', 'moescope://app/')).toBe(true);
    expect(asked('clipboard-sanitized-write', 'https://example.com/')).toBe(false);
    expect(check(null, 'clipboard-sanitized-write', 'https://example.com')).toBe(false);
    expect(device()).toBe(false);
  });

  it('downloads only what it made itself', () => {
    let heard: (event: { preventDefault(): void }, item: unknown) => void = () => undefined;
    limitDownloads(played({ on: (_: string, listener: typeof heard) => (heard = listener) }), (name) => `/to/${name}`);
    const go = (address: string) => {
      const [preventDefault, setSavePath] = [vi.fn(), vi.fn()];
      heard({ preventDefault }, { getURL: () => address, getFilename: () => 'x.csv', setSavePath });
      return preventDefault.mock.calls.length === 1 ? 'refused' : (setSavePath.mock.calls[0]![0] as string);
    };
    expect(go('blob:moescope://app/0a-1b')).toBe('/to/x.csv');
    expect(go('data:text/csv,a')).toBe('/to/x.csv');
    expect(go('blob:https://example.com/0a')).toBe('refused');
    expect(go('https://example.com/x.csv')).toBe('refused');
  });
});

describe('requests to the shell', () => {
  const ours = played<WebContents>({ id: 1 });
  const frame = { url: 'moescope://app/index.html', parent: null };
  const handlers: ShellHandlers = {
    'shell.pickFolder': async ({ title }) => ({ path: `/picked/${title}` }),
    'shell.saveFile': async () => {
      throw new Error('disk');
    },
    'shell.restartEngine': () => ({}),
    'shell.about': () => ({ version: '1', host: 'electron', electron: '22', chromium: '108', node: '16' }),
  };
  const openPort = vi.fn();
  const handled = new Map<string, (event: unknown, params: unknown) => Promise<Outcome<unknown>>>();
  const listened = new Map<string, (event: unknown, ticket: unknown) => void>();
  beforeEach(() => {
    handled.clear();
    openPort.mockReset();
    const ipc = played<IpcMain>({
      handle: (name: string, handler: never) => handled.set(name, handler),
      on: (name: string, listener: never) => listened.set(name, listener),
    });
    serveShell(ipc, (sender) => sender === ours, handlers, openPort);
  });
  const trusted = { sender: ours, senderFrame: frame };

  it('are exactly those of the contract', () => {
    expect([...handled.keys()].sort()).toEqual(Object.keys(shellRequests).sort());
  });

  it('and of the preload', () => {
    const preload = readFileSync(new URL('../../electron/preload.ts', import.meta.url), 'utf8');
    const named = [...preload.matchAll(/invoke\('([^']+)'/g)].map(([, name]) => name);
    expect(named.sort()).toEqual(Object.keys(shellRequests).sort());
    const used = Object.keys(channels).filter((name) => preload.includes(`channels.${name}`));
    expect(used.sort()).toEqual(Object.keys(channels).sort());
  });

  it.each([
    ['a frame that is gone', { sender: ours, senderFrame: null }],
    ['a frame inside the page', { sender: ours, senderFrame: { ...frame, parent: {} } }],
    ['another origin', { sender: ours, senderFrame: { ...frame, url: 'https://example.com/' } }],
    ['contents that are not ours', { sender: { id: 2 }, senderFrame: frame }],
  ])('%s is refused', async (_, event) => {
    expect(isTrusted(played(event), (sender) => sender === ours)).toBe(false);
    expect(await handled.get('shell.pickFolder')!(event, { title: 't' })).toMatchObject({
      ok: false,
      error: { code: 'unauthorized' },
    });
    listened.get(channels.openPort)!(event, 1);
    expect(openPort).not.toHaveBeenCalled();
  });

  it('are parsed, answered, and fail as data', async () => {
    expect(await handled.get('shell.pickFolder')!(trusted, { title: 't' })).toEqual({
      ok: true,
      value: { path: '/picked/t' },
    });
    expect(await handled.get('shell.pickFolder')!(trusted, { title: 5 })).toMatchObject({
      ok: false,
      error: { code: 'usage' },
    });
    expect(await handled.get('shell.pickFolder')!(trusted, null)).toMatchObject({
      ok: false,
      error: { code: 'usage' },
    });
    expect(await handled.get('shell.saveFile')!(trusted, { name: 'n', bytes: 1 })).toEqual({
      ok: false,
      error: { code: 'internal', message: 'disk' },
    });
  });

  it('a port is opened for a whole number', () => {
    for (const ticket of ['1', null, 1.5, {}]) listened.get(channels.openPort)!(trusted, ticket);
    expect(openPort).not.toHaveBeenCalled();
    listened.get(channels.openPort)!(trusted, 7);
    expect(openPort).toHaveBeenCalledWith(ours, 7);
  });
});

describe('dialogs', () => {
  const window = played<BrowserWindow>({});
  const saving = (filePath: string | undefined) =>
    played<Dialog>({ showSaveDialog: vi.fn(async () => ({ canceled: filePath === undefined, filePath })) });

  it('pick a folder, or nothing', async () => {
    const dialog = (canceled: boolean, filePaths: string[]) =>
      played<Dialog>({ showOpenDialog: async () => ({ canceled, filePaths }) });
    expect(await pickFolder(dialog(false, ['/a']), window, 't')).toBe('/a');
    expect(await pickFolder(dialog(true, []), window, 't')).toBeNull();
  });

  it('save whole or not at all, under a plain name', async () => {
    const path = join(folder, 'x.csv');
    const dialog = saving(path);
    expect(await saveFile(dialog, window, '../../etc/x.csv', new Uint8Array([65]))).toBe(path);
    expect(readFileSync(path, 'utf8')).toBe('A');
    expect(dialog.showSaveDialog).toHaveBeenCalledWith(window, { defaultPath: 'x.csv' });
    expect(readdirSync(folder)).toEqual(['x.csv']);
    expect(await saveFile(saving(undefined), window, 'x', new Uint8Array(1))).toBeNull();
    await expect(saveFile(saving(join(folder, 'no', 'x')), window, 'x', new Uint8Array(1))).rejects.toMatchObject({
      code: 'file-unreadable',
    });
    for (const bytes of ['text', null, [1], new Uint8Array(64 * 1024 * 1024 + 1)]) {
      await expect(saveFile(saving(path), window, 'x', bytes)).rejects.toMatchObject({ code: 'usage' });
    }
  });
});

describe('settings', () => {
  const bounds = { x: 10, y: 20, width: 800, height: 600, maximized: true };

  it('are kept, and start anew when they cannot be read', () => {
    const path = join(folder, 'deep', 'settings.json');
    const warn = vi.fn();
    openSettings(path, warn).set({ window: bounds });
    expect(openSettings(path, warn).get()).toEqual({ window: bounds });
    expect(warn).not.toHaveBeenCalled();
    writeFileSync(path, '{"window":{"x":1e9},"later":1}');
    expect(openSettings(path, warn).get()).toEqual({ window: undefined });
    writeFileSync(path, '{"win');
    expect(openSettings(path, warn).get()).toEqual({});
    expect(warn).toHaveBeenCalledTimes(1);
    openSettings('/dev/null/settings.json', warn).set({ window: bounds });
    expect(warn).toHaveBeenCalledTimes(3);
  });

  it('place the window only where it can be seen', () => {
    const display = { x: 0, y: 0, width: 1600, height: 1000 };
    expect(visibleBounds(bounds, [display])).toBe(bounds);
    expect(visibleBounds({ ...bounds, x: 1550 }, [display])).toBeUndefined();
    expect(visibleBounds({ ...bounds, x: 1550 }, [display, { ...display, x: 1600 }])).toEqual({ ...bounds, x: 1550 });
    expect(visibleBounds({ ...bounds, y: -590 }, [display])).toBeUndefined();
    expect(visibleBounds(undefined, [display])).toBeUndefined();
  });
});

describe('test mode under a driver', () => {
  it('waits for it, and not for ever', async () => {
    vi.useFakeTimers();
    const place: { __playwright_run?: () => void } = {};
    let started = 0;
    void untilDriven(place).then(() => started++);
    await vi.advanceTimersByTimeAsync(5000);
    expect(started).toBe(0);
    place.__playwright_run?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(started).toBe(1);
    void untilDriven({}).then(() => started++);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(started).toBe(2);
    vi.useRealTimers();
  });
});

describe('menu and switches', () => {
  it('the menu runs window commands by their ids', () => {
    const ran: string[] = [];
    const click = (items: ReturnType<typeof menuTemplate>): void => {
      for (const item of items) {
        item.click?.(played(undefined), undefined, played(undefined));
        if (Array.isArray(item.submenu)) click(item.submenu);
      }
    };
    click(menuTemplate((id) => ran.push(id)));
    expect(ran.sort()).toEqual([...menuCommands].sort());
  });

  it('switches that are given stay as given', () => {
    const appended: string[] = [];
    setTestSwitches({ hasSwitch: (name) => name === 'lang', appendSwitch: (name) => void appended.push(name) });
    expect(appended).toContain('force-device-scale-factor');
    expect(appended).not.toContain('lang');
  });
});
