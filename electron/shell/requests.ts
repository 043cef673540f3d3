/**
 * Requests of the window to the shell: one wrapper that checks the sender, parses, and answers failures as data. One place
 * for all channels is Electron Fiddle's idea (electron/fiddle, src/main/ipc.ts); item 17 of Electron's security list asks
 * for the check of the sender.
 */
import type { IpcMain, IpcMainEvent, IpcMainInvokeEvent } from 'electron';
import { channels, type Outcome } from '../contract/bridge';
import { AppError } from '../contract/errors';
import { type ShellRequestName, type ShellRequests, shellRequests } from '../contract/messages';
import { isWindowOrigin } from './scheme';

type ParamsOf<N extends ShellRequestName> = ShellRequests[N]['params']['_zod']['output'];
type ReplyOf<N extends ShellRequestName> = ShellRequests[N]['reply']['_zod']['input'];

export type ShellHandlers = {
  [N in ShellRequestName]: (params: ParamsOf<N>, sender: Sender) => Promise<ReplyOf<N>> | ReplyOf<N>;
};

type Sender = IpcMainEvent['sender'];
type Event = Pick<IpcMainInvokeEvent, 'sender' | 'senderFrame'>;

/**
 * Whether an event comes from the top frame of a window of ours. The frame is null when it has navigated or closed since.
 * @param isOurs tells our windows' contents from others.
 */
export function isTrusted({ sender, senderFrame }: Event, isOurs: (sender: Sender) => boolean): boolean {
  if (senderFrame === null || senderFrame === undefined) return false;
  return isOurs(sender) && senderFrame.parent === null && isWindowOrigin(senderFrame.url);
}

/** Registers a handler for every request of the contract, and for the request for a port. */
export function serveShell(
  ipc: Pick<IpcMain, 'handle' | 'on'>,
  isOurs: (sender: Sender) => boolean,
  handlers: ShellHandlers,
  openPort: (sender: Sender, ticket: number) => void,
): void {
  for (const name of Object.keys(shellRequests) as ShellRequestName[]) {
    ipc.handle(name, (event, params: unknown) => answer(name, event, params, isOurs, handlers));
  }
  ipc.on(channels.openPort, (event, ticket: unknown) => {
    if (isTrusted(event, isOurs) && Number.isSafeInteger(ticket)) openPort(event.sender, ticket as number);
  });
}

async function answer<N extends ShellRequestName>(
  name: N,
  event: Event,
  params: unknown,
  isOurs: (sender: Sender) => boolean,
  handlers: ShellHandlers,
): Promise<Outcome<unknown>> {
  try {
    if (!isTrusted(event, isOurs)) throw new AppError({ code: 'unauthorized', message: `${name} was refused.` });
    const parsed = shellRequests[name].params.safeParse(params);
    if (!parsed.success) {
      throw new AppError({ code: 'usage', message: `Parameters of ${name}: ${parsed.error.message}` });
    }
    const value = await handlers[name](parsed.data as ParamsOf<N>, event.sender);
    return { ok: true, value: shellRequests[name].reply.parse(value) };
  } catch (thrown) {
    return { ok: false, error: AppError.from(thrown).toData() };
  }
}
