/**
 * Keeps the engine's process: starts it, passes messages for windows that have no port of their own, notices its end and
 * says so to every window with what was running, starts a new one on demand.
 */
import { AppError, type AppErrorData } from '../contract/errors';
import type { ToWindow } from '../contract/messages';
import { type FromProcess, FromProcessSchema, type ToProcess } from './process-messages';

/** A started process, forked by Node or a utility process of Electron. `Port` is what can be handed over to it. */
export interface EngineProcess<Port = never> {
  post(message: ToProcess, port?: Port): void;
  onMessage(listener: (message: unknown) => void): void;
  onExit(listener: (exit: { code: number | null; signal: string | null }) => void): void;
  kill(): void;
}

/** A window's link through the supervisor. */
export interface WindowLink {
  /** Anything the window sent, unchecked. */
  send(message: unknown): void;
  close(): void;
}

export interface SupervisorOptions {
  /** How long `stop` waits for an orderly end, milliseconds. */
  graceMs?: number;
}

interface Link {
  deliver: (message: ToWindow) => void;
  pending: Set<number>;
}

const engineStopped: AppErrorData = { code: 'engine-gone', message: 'The engine was stopped.' };

export class EngineSupervisor<Port = never> {
  private process: EngineProcess<Port> | undefined;
  private gone: AppErrorData = engineStopped;
  private running: string[] = [];
  private fatal: AppErrorData | undefined;
  private readonly links = new Map<number, Link>();
  private readonly goneListeners: ((error: AppErrorData) => void)[] = [];
  private readonly backListeners: (() => void)[] = [];
  private lastWindow = 0;
  private ended: (() => void) | undefined;
  private readonly graceMs: number;

  constructor(
    private readonly start: () => EngineProcess<Port>,
    { graceMs = 500 }: SupervisorOptions = {},
  ) {
    this.graceMs = graceMs;
    this.launch();
  }

  /** The error of the last end while there is no process. */
  get failure(): AppErrorData | undefined {
    return this.process === undefined ? this.gone : undefined;
  }

  onGone(listener: (error: AppErrorData) => void): void {
    this.goneListeners.push(listener);
  }

  onBack(listener: () => void): void {
    this.backListeners.push(listener);
  }

  /** A window whose messages go through this process. It outlives the engine's process: a new one is attached to it. */
  connect(deliver: (message: ToWindow) => void): WindowLink {
    const window = ++this.lastWindow;
    const link: Link = { deliver, pending: new Set() };
    this.links.set(window, link);
    if (this.process === undefined) deliver({ type: 'event', name: 'failure', payload: this.gone });
    else this.process.post({ type: 'attach', window });
    return {
      send: (message) => this.pass(window, link, message),
      close: () => {
        if (this.links.delete(window)) this.process?.post({ type: 'detach', window });
      },
    };
  }

  /** Hands a window's own port over to the engine's process. @throws AppError `engine-gone` when there is none. */
  attachPort(port: Port): void {
    if (this.process === undefined) throw new AppError(this.gone);
    this.process.post({ type: 'attach', window: ++this.lastWindow }, port);
  }

  /** Starts a new process if the last one has ended, and attaches every window to it. */
  restart(): void {
    if (this.process !== undefined) return;
    this.launch();
    for (const window of this.links.keys()) this.process!.post({ type: 'attach', window });
    for (const listener of this.backListeners) listener();
  }

  /** Ends the process: asked first, killed after the grace time. Resolves when it is gone. */
  async stop(): Promise<void> {
    const { process } = this;
    if (process === undefined) return;
    const ended = new Promise<void>((done) => {
      this.ended = done;
    });
    process.post({ type: 'end' });
    const limit = setTimeout(() => process.kill(), this.graceMs);
    await ended;
    clearTimeout(limit);
  }

  private launch(): void {
    const process = this.start();
    this.process = process;
    this.running = [];
    this.fatal = undefined;
    process.onMessage((message) => {
      if (this.process === process) this.receive(FromProcessSchema.parse(message));
    });
    process.onExit((exit) => {
      if (this.process === process) this.lost(exit);
    });
  }

  private pass(window: number, link: Link, message: unknown): void {
    const { type, id } = (message ?? {}) as { type?: unknown; id?: unknown };
    const request = type === 'request' && typeof id === 'number' ? id : undefined;
    if (this.process === undefined) {
      if (request !== undefined) link.deliver({ type: 'error', id: request, error: this.gone });
      return;
    }
    if (request !== undefined) link.pending.add(request);
    this.process.post({ type: 'receive', window, message });
  }

  private receive(message: FromProcess): void {
    if (message.type === 'activity') this.running = message.running;
    else if (message.type === 'fatal') this.fatal = message.error;
    else {
      const link = this.links.get(message.window);
      if (link === undefined) return;
      if (message.message.type !== 'event') link.pending.delete(message.message.id);
      link.deliver(message.message);
    }
  }

  private lost(exit: { code: number | null; signal: string | null }): void {
    this.process = undefined;
    if (this.ended !== undefined) {
      this.gone = engineStopped;
      this.ended();
      return;
    }
    this.gone = describeEnd(exit, this.running, this.fatal);
    for (const { deliver, pending } of this.links.values()) {
      for (const id of pending) deliver({ type: 'error', id, error: this.gone });
      pending.clear();
      deliver({ type: 'event', name: 'failure', payload: this.gone });
    }
    for (const listener of this.goneListeners) listener(this.gone);
  }
}

/** The end of an engine's process as an error: how it ended, what it was doing, what it last said. */
export function describeEnd(
  exit: { code: number | null; signal: string | null },
  running: string[],
  fatal: AppErrorData | undefined,
): AppErrorData {
  const how = exit.signal !== null ? `signal ${exit.signal}` : `exit code ${exit.code ?? 'unknown'}`;
  const doing = running.length === 0 ? 'while idle' : `while running ${[...new Set(running)].join(', ')}`;
  const said = fatal === undefined ? '' : `: ${fatal.message}`;
  return {
    code: 'engine-gone',
    message: `The engine process ended (${how}) ${doing}${said}`.replace(/\.*$/, '.'),
    remedy:
      fatal?.remedy ??
      'Restart the engine: the window opens what was open again; batches that were not recorded are gone.',
  };
}
