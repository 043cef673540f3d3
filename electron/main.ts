/** Main process of the window application: wiring only. What it wires is in shell/ and hosts/. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as electron from 'electron';
import { channels, type EngineNotice } from './contract/bridge';
import { AppError, exitCodeOf } from './contract/errors';
import { built, requireBuilt } from './hosts/built';
import { readBundleFile, securityHeaders } from './hosts/bundle-files';
import { utilityEngine } from './hosts/electron-process';
import { HostClient } from './hosts/host-client';
import { openAndReport } from './hosts/opening';
import { EngineSupervisor } from './hosts/supervisor';
import { terminalReport } from './hosts/terminal-report';
import { type Arguments, ArgumentsSchema, parseArguments } from './shell/arguments';
import { pickFolder, saveFile } from './shell/dialogs';
import { untilDriven } from './shell/driver';
import { menuTemplate } from './shell/menu';
import { serveShell } from './shell/requests';
import { bundleAnswers, declareScheme, serveScheme } from './shell/scheme';
import { denyNavigation, denyPermissions, limitDownloads } from './shell/security';
import { openSettings } from './shell/settings';
import { setTestSwitches } from './shell/switches';
import { openWindow } from './shell/window';

const { app, Menu, MessageChannelMain, dialog, ipcMain, protocol, session, utilityProcess } = electron;

const say = (message: string) => process.stderr.write(`${message}\n`);
// A terminal that was closed must not end the window.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

function fail(thrown: unknown): never {
  const error = AppError.from(thrown);
  const expected = error.expected && `Expected: ${error.expected}; found: ${error.found ?? 'nothing'}.`;
  say([error.message, expected, error.remedy].filter(Boolean).join(' '));
  process.exit(exitCodeOf(error.code));
}

function readArguments(): Arguments {
  try {
    requireBuilt('engineProcess', 'preload', 'window');
    return parseArguments(process.argv, app.getAppPath(), process.cwd());
  } catch (thrown) {
    return fail(thrown);
  }
}

/** Where settings are kept: as asked by the switch, in test mode in a folder that goes with the process. */
function chooseUserData(test: boolean): void {
  const asked = app.commandLine.getSwitchValue('user-data-dir');
  if (asked !== '') app.setPath('userData', asked);
  else if (test) {
    const folder = mkdtempSync(join(tmpdir(), 'moescope-test-'));
    app.setPath('userData', folder);
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
}

const given = readArguments();
chooseUserData(given.test);
if (given.test) setTestSwitches(app.commandLine);
// Together with --no-sandbox, which root needs, this ends the application.
if (!app.commandLine.hasSwitch('no-sandbox')) app.enableSandbox();
denyNavigation(app);
declareScheme(protocol);

// Asked for before `ready`, so that a driver which is quick does not call in vain.
const driven = given.test && app.commandLine.hasSwitch('remote-debugging-port') ? untilDriven() : undefined;
if (given.test || app.requestSingleInstanceLock({ ...given })) {
  void Promise.all([app.whenReady(), driven]).then(start).catch(fail);
} else app.quit();

function start(): void {
  const engine = new EngineSupervisor(() => utilityEngine(utilityProcess, app, built.engineProcess));
  const settings = openSettings(join(app.getPath('userData'), 'settings.json'), say);
  const page = session.defaultSession;
  denyPermissions(page);
  limitDownloads(page, given.test ? (name) => join(app.getPath('userData'), name) : undefined);
  serveScheme(
    protocol,
    bundleAnswers((path) => readBundleFile(built.window, path), securityHeaders()),
  );

  const window = openWindow(electron, { preload: built.preload, ...given }, settings, say);
  const tell = (channel: string, payload: unknown) => {
    if (!window.isDestroyed()) window.webContents.send(channel, payload);
  };
  const notice = (value: EngineNotice) => tell(channels.engine, value);
  engine.onGone((error) => {
    say(error.message);
    notice({ state: 'gone', error });
  });
  engine.onBack(() => notice({ state: 'back' }));

  const { electron: release = '', chrome = '', node } = process.versions;
  serveShell(
    ipcMain,
    (sender) => sender === window.webContents,
    {
      'shell.pickFolder': async ({ title }) => ({ path: await pickFolder(dialog, window, title) }),
      'shell.saveFile': async ({ name, bytes }) => ({ path: await saveFile(dialog, window, name, bytes) }),
      'shell.restartEngine': () => {
        engine.restart();
        return {};
      },
      'shell.about': () => ({ version: app.getVersion(), host: 'electron', electron: release, chromium: chrome, node }),
    },
    (sender, ticket) => {
      const { failure } = engine;
      if (failure !== undefined) return notice({ state: 'gone', error: failure });
      // The port is the only way between page and engine; this process sees none of their messages.
      const { port1, port2 } = new MessageChannelMain();
      engine.attachPort(port1);
      sender.postMessage(channels.port, ticket, [port2]);
    },
  );
  Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate((id) => tell(channels.command, id))));

  void open(engine, given);
  // Parsed by the second instance itself: the argv that arrives here is reordered, with values torn from their options.
  app.on('second-instance', (_event, _argv, _cwd, data) => {
    if (window.isMinimized()) window.restore();
    window.focus();
    const next = ArgumentsSchema.safeParse(data);
    if (next.success) void open(engine, next.data);
  });
  endWith(engine);
}

/** Opens what was named and prints its first batches; a failure is said here, and by the engine in the window. */
async function open(engine: EngineSupervisor<electron.MessagePortMain>, what: Arguments): Promise<void> {
  const { path, threshold, contract, demoBatches } = what;
  if (path === undefined) return;
  const client = new HostClient((deliver) => engine.connect(deliver));
  const report = terminalReport({ json: false, out: process.stdout, err: process.stderr });
  try {
    await openAndReport(client, { path, threshold, contract, batches: demoBatches }, report);
  } catch (thrown) {
    const { message, remedy } = AppError.from(thrown);
    say(`${message}${remedy === undefined ? '' : ` ${remedy}`}`);
  } finally {
    client.close();
  }
}

/** The last window ends the application, and the application waits for the engine to end in order. */
function endWith(engine: EngineSupervisor<electron.MessagePortMain>): void {
  app.on('window-all-closed', () => app.quit());
  let ended = false;
  app.on('will-quit', (event) => {
    if (ended) return;
    event.preventDefault();
    void engine.stop().then(() => {
      ended = true;
      app.quit();
    });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => app.quit());
}
