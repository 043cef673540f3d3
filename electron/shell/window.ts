/** The window: how it is made, where it was last, and what happens when its page dies. */
import type { BrowserWindow, BrowserWindowConstructorOptions, Dialog, Screen } from 'electron';
import { windowUrl } from './scheme';
import { securePreferences } from './security';
import { type SavedBounds, type Settings, visibleBounds } from './settings';

export interface WindowPlan {
  preload: string;
  /** test mode: fixed place, no menu bar, no throttling */
  test: boolean;
  /** content area, CSS pixels; absent: as it was last */
  size?: { width: number; height: number } | undefined;
}

interface Electron {
  BrowserWindow: new (options: BrowserWindowConstructorOptions) => BrowserWindow;
  screen: Pick<Screen, 'getAllDisplays'>;
  dialog: Pick<Dialog, 'showMessageBox'>;
}

const firstSize = { width: 1440, height: 900 };
/** A page that dies again within this time is not loaded again by itself, milliseconds. */
const crashPauseMs = 30_000;

/** Opens the window and loads the page. `report` gets a sentence for the terminal when the page dies. */
export function openWindow(
  { BrowserWindow, screen, dialog }: Electron,
  { preload, test, size }: WindowPlan,
  settings: Settings,
  report: (message: string) => void,
): BrowserWindow {
  const displays = screen.getAllDisplays().map(({ workArea }) => workArea);
  const saved = size === undefined ? visibleBounds(settings.get().window, displays) : undefined;
  const window = new BrowserWindow({
    ...(size ?? saved ?? firstSize),
    ...(saved !== undefined && { x: saved.x, y: saved.y }),
    ...(test && { x: 0, y: 0 }),
    useContentSize: size !== undefined,
    minWidth: 640,
    minHeight: 400,
    title: 'MoEscope',
    backgroundColor: '#15181d',
    autoHideMenuBar: test,
    show: false,
    webPreferences: { ...securePreferences(preload), backgroundThrottling: !test },
  });
  window.once('ready-to-show', () => {
    if (saved?.maximized === true) window.maximize();
    window.show();
  });
  if (size === undefined) keepBounds(window, settings);
  reviveAfterCrash(window, dialog, report);
  void window.loadURL(windowUrl);
  return window;
}

function keepBounds(window: BrowserWindow, settings: Settings): void {
  window.on('close', () => {
    const { x, y, width, height } = window.getNormalBounds();
    const bounds: SavedBounds = { x, y, width, height, maximized: window.isMaximized() };
    settings.set({ window: bounds });
  });
}

/** The engine and its data are in another process, so a dead page is loaded again; one that dies twice asks the user. */
function reviveAfterCrash(window: BrowserWindow, dialog: Electron['dialog'], report: (message: string) => void): void {
  let last = Number.NEGATIVE_INFINITY;
  window.webContents.on('render-process-gone', (_event, { reason, exitCode }) => {
    if (reason === 'clean-exit' || window.isDestroyed()) return;
    const again = Date.now() - last < crashPauseMs;
    last = Date.now();
    report(`The window's page ended (${reason}, exit code ${exitCode})${again ? ' again' : '; it is loaded again'}.`);
    if (!again) {
      window.reload();
      return;
    }
    const question = {
      type: 'error' as const,
      message: "The window's page ended twice in a row.",
      detail: `Reason: ${reason}, exit code ${exitCode}. The engine and a recording are not affected.`,
      buttons: ['Load again', 'Close'],
      defaultId: 0,
      cancelId: 1,
    };
    void dialog.showMessageBox(window, question).then(({ response }) => {
      if (response === 0) window.reload();
      else window.close();
    });
  });
}
