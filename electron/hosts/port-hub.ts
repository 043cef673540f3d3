/**
 * Many windows, one engine: the engine sees a single port, each window the engine. Replies go to the window that asked,
 * events to every window. Runs in the engine's process.
 */
import type { AppErrorData } from '../contract/errors';
import {
  CONTRACT_VERSION,
  type EventPayload,
  type Reply,
  type ToEngine,
  ToEngineSchema,
  type ToWindow,
} from '../contract/messages';
import { type EnginePort, TakenSchema } from '../contract/transport';

/** A window that has not taken this many messages gets no further `batches` and only the newest `state`. */
const slowWindow = 16;

interface Window {
  deliver: (message: ToWindow) => void;
  /** posted and not yet taken */
  backlog: number;
  /** rows left out for this window since its last `batches` event */
  dropped: number;
  /** newest state held back while the window is slow */
  heldState: ToWindow | undefined;
  /** newest device memory of a `batches` event left out, where no newer state has it */
  heldMemory: EventPayload<'batches'>['deviceMemory'];
}

interface Asked {
  window: number;
  /** the window's own id; null: asked by the hub on behalf of the window */
  id: number | null;
  name: string;
}

export interface HubOptions {
  /** Called whenever the list of running requests changes, with their names. */
  onActivity?: (running: string[]) => void;
}

export class PortHub implements EnginePort {
  private readonly windows = new Map<number, Window>();
  private readonly asked = new Map<number, Asked>();
  private engine: (message: ToEngine) => void = () => undefined;
  private closeListeners: (() => void)[] = [];
  private lastId = 0;
  private running = false;

  constructor(private readonly options: HubOptions = {}) {}

  // What the engine sees.

  post(message: ToWindow): void {
    if (message.type === 'event') this.postEvent(message);
    else this.answer(message);
  }

  onMessage(listener: (message: ToEngine) => void): void {
    this.engine = listener;
  }

  onClose(listener: () => void): void {
    this.closeListeners.push(listener);
  }

  /** Of the window that keeps up best: one that stands still must not hold the others back. */
  backlog(): number {
    const backlogs = [...this.windows.values()].map((window) => window.backlog);
    return backlogs.length === 0 ? 0 : Math.min(...backlogs);
  }

  // What the process does with windows.

  /** Adds a window; it gets the engine's state as its first event. `window` is any number not in use. */
  attach(window: number, deliver: (message: ToWindow) => void): void {
    this.windows.set(window, { deliver, backlog: 0, dropped: 0, heldState: undefined, heldMemory: undefined });
    this.ask({ window, id: null, name: 'hello' }, { contract: CONTRACT_VERSION });
  }

  /** Takes a window out and cancels what it asked for. */
  detach(window: number): void {
    if (!this.windows.delete(window)) return;
    for (const [id, asked] of this.asked) if (asked.window === window) this.engine({ type: 'cancel', id });
  }

  /** Anything a window sent, unchecked. What does not fit the contract is answered with `usage` where it has an id. */
  receive(window: number, message: unknown): void {
    const from = this.windows.get(window);
    if (from === undefined) return;
    const taken = TakenSchema.safeParse(message);
    if (taken.success) {
      from.backlog = Math.max(0, from.backlog - taken.data.count);
      this.releaseState(from);
      return;
    }
    const parsed = ToEngineSchema.safeParse(message);
    if (!parsed.success) {
      const id = (message as { id?: unknown } | null)?.id;
      const error: AppErrorData = { code: 'usage', message: 'A message that is not in the contract was refused.' };
      if (typeof id === 'number') this.send(from, { type: 'error', id, error });
      return;
    }
    if (parsed.data.type === 'request') {
      this.ask({ window, id: parsed.data.id, name: parsed.data.name }, parsed.data.params);
      return;
    }
    for (const [id, asked] of this.asked) {
      if (asked.window === window && asked.id === parsed.data.id) this.engine({ type: 'cancel', id });
    }
  }

  /** Tells the engine that no window will come any more. */
  close(): void {
    this.windows.clear();
    for (const listener of this.closeListeners) listener();
  }

  private ask(asked: Asked, params: unknown): void {
    const id = ++this.lastId;
    this.asked.set(id, asked);
    this.tellActivity();
    this.engine({ type: 'request', id, name: asked.name, params });
  }

  private answer(message: Exclude<ToWindow, { type: 'event' }>): void {
    const asked = this.asked.get(message.id);
    if (asked === undefined) return;
    this.asked.delete(message.id);
    this.tellActivity();
    const window = this.windows.get(asked.window);
    if (window === undefined) return;
    if (asked.id !== null) this.send(window, { ...message, id: asked.id });
    else if (message.type === 'reply') {
      const { state } = message.result as Reply<'hello'>;
      this.send(window, { type: 'event', name: 'state', payload: state });
    } else this.send(window, { type: 'event', name: 'failure', payload: message.error });
  }

  private postEvent(message: Extract<ToWindow, { type: 'event' }>): void {
    if (message.name === 'progress') {
      const progress = message.payload as EventPayload<'progress'>;
      const asked = this.asked.get(progress.request);
      const window = asked === undefined ? undefined : this.windows.get(asked.window);
      // Progress of another window's request would carry an id that means something else here.
      if (asked?.id != null && window) this.send(window, { ...message, payload: { ...progress, request: asked.id } });
      return;
    }
    if (message.name === 'state') {
      this.running = (message.payload as EventPayload<'state'>).state === 'running';
      this.tellActivity();
    }
    for (const window of this.windows.values()) this.sendPaced(window, message);
  }

  private sendPaced(window: Window, message: Extract<ToWindow, { type: 'event' }>): void {
    const slow = window.backlog >= slowWindow;
    if (message.name === 'state') {
      window.heldState = slow ? message : undefined;
      window.heldMemory = undefined;
      if (!slow) this.send(window, message);
      return;
    }
    if (message.name !== 'batches') {
      this.send(window, message);
      return;
    }
    const batches = message.payload as EventPayload<'batches'>;
    // The engine tells of device memory once, so a window that was passed over gets it with its next event.
    const deviceMemory = batches.deviceMemory ?? window.heldMemory;
    const dropped = batches.dropped + window.dropped;
    if (slow) {
      window.dropped = dropped + batches.rows.length;
      window.heldMemory = deviceMemory;
      return;
    }
    this.send(window, { ...message, payload: { ...batches, dropped, ...(deviceMemory && { deviceMemory }) } });
    window.dropped = 0;
    window.heldMemory = undefined;
  }

  private releaseState(window: Window): void {
    const { heldState } = window;
    if (heldState === undefined || window.backlog >= slowWindow) return;
    window.heldState = undefined;
    this.send(window, heldState);
  }

  private send(window: Window, message: ToWindow): void {
    window.backlog++;
    window.deliver(message);
  }

  private tellActivity(): void {
    const names = [...this.asked.values()].filter(({ name }) => name !== 'hello').map(({ name }) => name);
    this.options.onActivity?.(this.running ? [...names, 'batches'] : names);
  }
}
