/**
 * What a page may not do. Everything is denied by default and said explicitly, whatever Electron's own default is
 * (electron/electron, docs/tutorial/security.md). Addresses are not handed to the system's browser either: the window has
 * no links to anywhere.
 */
import type { App, Session, WebContents, WebPreferences } from 'electron';
import { isWindowOrigin } from './scheme';

/** Preferences of every window. */
export function securePreferences(preload: string): WebPreferences {
  return {
    preload,
    sandbox: true,
    contextIsolation: true,
    nodeIntegration: false,
    nodeIntegrationInWorker: false,
    nodeIntegrationInSubFrames: false,
    webSecurity: true,
    allowRunningInsecureContent: false,
    experimentalFeatures: false,
    webviewTag: false,
    navigateOnDragDrop: false,
    spellcheck: false,
  };
}

/** Denies new windows, navigation, redirects and webviews to every page of the application, developer tools included. */
export function denyNavigation(app: Pick<App, 'on'>): void {
  app.on('web-contents-created', (_event, contents: WebContents) => {
    contents.setWindowOpenHandler(() => ({ action: 'deny' }));
    contents.on('will-attach-webview', (event) => event.preventDefault());
    contents.on('will-redirect', (event) => event.preventDefault());
    contents.on('will-navigate', (event, address) => {
      // A page may load itself again, and nothing else.
      if (!isWindowOrigin(address) || !isWindowOrigin(contents.getURL())) event.preventDefault();
    });
  });
}

/** The one thing a page may ask for: putting text it made on the clipboard ("copy as CLI command"). */
const granted = 'clipboard-sanitized-write';

type PermissionSession = Pick<
  Session,
  'setPermissionRequestHandler' | 'setPermissionCheckHandler' | 'setDevicePermissionHandler'
>;

/** Denies every permission and device, for requests and for checks. */
export function denyPermissions(session: PermissionSession): void {
  session.setPermissionRequestHandler((_contents, permission, answer, { requestingUrl }) =>
    answer(permission === granted && isWindowOrigin(requestingUrl)),
  );
  session.setPermissionCheckHandler(
    (_contents, permission, origin) => (permission as string) === granted && isWindowOrigin(origin),
  );
  session.setDevicePermissionHandler(() => false);
}

/**
 * Downloads are what the window exports (blob: and data: addresses it made itself); nothing else is fetched to disk.
 * @param folder where they go without a question; undefined asks the user.
 */
export function limitDownloads(session: Pick<Session, 'on'>, folder: ((name: string) => string) | undefined): void {
  session.on('will-download', (event, item) => {
    const address = item.getURL();
    const own = address.startsWith('data:') || (address.startsWith('blob:') && isWindowOrigin(address.slice(5)));
    if (!own) event.preventDefault();
    else if (folder !== undefined) item.setSavePath(folder(item.getFilename()));
  });
}
