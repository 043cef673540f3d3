/** Finds out where this window runs and reaches its engine: Electron's port, or the WebSocket of `moescope serve`. */
import { type Bridge, bridgeName } from '../../electron/contract/bridge';
import { AppError } from '../../electron/contract/errors';
import type { Transport } from '../../electron/contract/transport';
import { openPortTransport } from './port-transport';
import { type AskPath, electronShell, type Shell, webShell } from './shell';
import { openSocketTransport } from './socket-transport';

export interface Connection {
  transport: Transport;
  shell: Shell;
}

const tokenKey = 'moescope.token';

/**
 * @param askPath how to ask for a path on the web host, which has no dialog for folders of the engine's machine.
 * @throws AppError `unauthorized` (wrong or missing token) or `engine-gone` (nobody there).
 */
export async function connect({ askPath = promptPath }: { askPath?: AskPath } = {}): Promise<Connection> {
  const bridge = (window as unknown as Partial<Record<typeof bridgeName, Bridge>>)[bridgeName];
  if (bridge !== undefined) return { transport: await openPortTransport(bridge), shell: electronShell(bridge) };
  const { protocol, host } = window.location;
  const url = `${protocol === 'https:' ? 'wss:' : 'ws:'}//${host}/socket`;
  const transport = await openSocketTransport({ url, token: takeToken() });
  return { transport, shell: webShell((name) => transport.shellRequest(name), askPath) };
}

/**
 * The token of the printed address (`#token=...`). It is kept for reloads of this tab and taken out of the address bar,
 * so that it is not copied along with a link to a view.
 */
function takeToken(): string {
  const fields = new URLSearchParams(window.location.hash.slice(1));
  const token = fields.get('token');
  if (token !== null) {
    sessionStorage.setItem(tokenKey, token);
    fields.delete('token');
    const rest = fields.toString();
    window.history.replaceState(window.history.state, '', rest === '' ? window.location.pathname : `#${rest}`);
    return token;
  }
  const kept = sessionStorage.getItem(tokenKey);
  if (kept !== null) return kept;
  throw new AppError({
    code: 'unauthorized',
    message: 'This address carries no token.',
    remedy: 'Open the address that `moescope serve` printed, with everything after the #.',
  });
}

const promptPath: AskPath = async (title) => window.prompt(title)?.trim() || null;
