/** Puts a window over a client; also used over the simulated engine of the tests. */
import { createRoot } from 'react-dom/client';
import './theme/fonts';
import './theme/tokens.css';
import './theme/base.css';
import './theme/controls.css';
import type { EngineClient } from './client';
import { batchCommands } from './commands/batch';
import { invoke, registerCommands } from './commands/registry';
import { runCommands } from './commands/run';
import { startShortcuts } from './commands/shortcuts';
import { sourceCommands } from './commands/source';
import { viewCommands } from './commands/view';
import { publishWindowApi } from './commands/window-api';
import { App } from './frame/app';
import { useConnection } from './stores/connection';
import { startHistory } from './stores/history';
import { watchPage } from './stores/idle';
import { attach } from './stores/link';
import { captureView, fromLink, restoreView, toLink } from './stores/snapshot';
import { setScreenshotMode, setTheme, useView } from './stores/view';

/** Once per page. */
export function startWindow(client: EngineClient, root: HTMLElement): void {
  for (const list of [runCommands, batchCommands, viewCommands, sourceCommands]) registerCommands(list);
  setTheme(useView.getState().theme);
  if (new URLSearchParams(location.search).has('shot')) setScreenshotMode(true);
  publishWindowApi();
  startShortcuts(window);
  attach(client);
  followMenu(client);
  followAddress();
  watchPage(root);
  createRoot(root).render(<App />);
}

/** Menu items of the host are commands. The host is known once the link is open. */
function followMenu(client: EngineClient): void {
  let stop: (() => void) | null = null;
  client.onConnection(({ status }) => {
    if (status === 'open' && !stop) stop = client.shell.onCommand((id) => invoke(id));
    if (status === 'closed') {
      stop?.();
      stop = null;
    }
  });
}

/** The view of the address is shown once there is something to look at; from then on the address follows the view. */
function followAddress(): void {
  const fields = () => new URLSearchParams(location.hash.slice(1));
  const begin = () => {
    restoreView(fromLink(fields()));
    startHistory(() => history.replaceState(history.state, '', `#${toLink(captureView(), fields())}`));
    window.addEventListener('hashchange', () => restoreView(fromLink(fields())));
  };
  const stop = useConnection.subscribe(({ engine }) => {
    if (!engine) return;
    stop();
    // After the stores have taken the first state: it clears the selection.
    queueMicrotask(begin);
  });
}
