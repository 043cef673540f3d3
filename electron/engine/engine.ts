/**
 * The engine as a window sees it: requests in, replies, errors and events out, everything parsed with the contract in both
 * directions. One handler a request; a request is cancelled by its id; no request waits for another unless both need the
 * same layer, and nothing here blocks the loop.
 */
import { AppError } from '../contract/errors';
import {
  type EventName,
  type EventPayload,
  events,
  type RequestName,
  requests,
  type ToEngine,
} from '../contract/messages';
import type { DeviceMemory } from '../contract/session';
import type { EnginePort } from '../contract/transport';
import { Inspector, type InspectorOptions } from './inspector';
import { batchHandlers } from './requests/batches';
import type { Call, Handler, Handlers } from './requests/handler';
import { hazardHandlers } from './requests/hazards';
import { routingHandlers } from './requests/routing';
import { runHandlers } from './requests/run';
import { sessionHandlers } from './requests/sessions';
import { tensorHandlers } from './requests/tensors';
import { BatchFeed, type FeedEvent } from './run/batch-feed';

const handlers: Handlers<RequestName> = {
  ...runHandlers,
  ...batchHandlers,
  ...tensorHandlers,
  ...hazardHandlers,
  ...routingHandlers,
  ...sessionHandlers,
};

/** State changes that come close together go out as one. */
const stateIntervalMs = 50;
/** Memory, recording size and batch count of a run are refreshed so often. */
const pulseMs = 500;

export type EngineOptions = Omit<InspectorOptions, 'events'>;

interface Running {
  controller: AbortController;
  cancel: { cancel(): void };
}

export class Engine {
  readonly inspector: Inspector;
  private readonly port: EnginePort;
  private readonly tool: string;
  private readonly feed: BatchFeed;
  private readonly running = new Map<number, Running>();
  private readonly pulse: NodeJS.Timeout;
  private stateTimer: NodeJS.Timeout | null = null;
  private lastState = '';
  /** as the window was last told */
  private lastMemory: DeviceMemory | null = null;
  private closed = false;
  /** every call of close waits for the one shutdown */
  private closing: Promise<void> | null = null;

  /** Serves the port at once. */
  constructor(port: EnginePort, options: EngineOptions) {
    this.port = port;
    this.tool = options.tool;
    this.feed = new BatchFeed({ emit: (event) => this.sendBatches(event), backlog: () => port.backlog() });
    this.inspector = new Inspector({
      ...options,
      events: {
        changed: () => this.stateChanged(),
        row: (row, visible) => this.feed.push(row, visible),
        sourceChanged: () => this.sourceChanged(),
        warning: (message) => this.emit('warning', { message }),
        failure: (error) => this.emit('failure', error),
      },
    });
    this.pulse = setInterval(() => {
      if (this.inspector.machine.state === 'running') this.sendState();
    }, pulseMs);
    this.pulse.unref?.();
    port.onMessage((message) => this.receive(message));
    port.onClose(() => void this.close());
  }

  /** Cancels what runs, ends a recording in order, frees the layer. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    this.closed = true;
    clearInterval(this.pulse);
    if (this.stateTimer) clearTimeout(this.stateTimer);
    this.feed.clear();
    for (const id of this.running.keys()) this.cancel(id);
    await this.inspector.close();
  }

  private receive(message: ToEngine): void {
    if (message.type === 'cancel') this.cancel(message.id);
    else void this.answer(message.id, message.name, message.params);
  }

  private cancel(id: number): void {
    const running = this.running.get(id);
    running?.controller.abort();
    running?.cancel.cancel();
  }

  private async answer(id: number, name: string, params: unknown): Promise<void> {
    const controller = new AbortController();
    try {
      if (!Object.hasOwn(requests, name)) {
        throw new AppError({ code: 'usage', message: `There is no request "${name}".`, subject: name });
      }
      const known = name as RequestName;
      const parsed = requests[known].params.safeParse(params);
      if (!parsed.success) {
        const [issue] = parsed.error.issues;
        throw new AppError({
          code: 'bad-option',
          message: `Request ${name}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is wrong'}.`,
          subject: issue?.path.join('.') ?? name,
        });
      }
      const cancel = this.inspector.binding.createCancelFlag();
      this.running.set(id, { controller, cancel });
      const call: Call = {
        id,
        cancel,
        signal: controller.signal,
        progress: (label, done, total) => this.emit('progress', { request: id, label, done, total }),
      };
      const handler = handlers[known] as Handler<RequestName>;
      const context = { inspector: this.inspector, tool: this.tool, dropped: () => this.feed.droppedEver };
      const result = await handler(context, parsed.data as Parameters<typeof handler>[1], call);
      this.post({ type: 'reply', id, result: requests[known].reply.parse(result) });
    } catch (thrown) {
      this.post({ type: 'error', id, error: AppError.from(thrown).toData() });
    } finally {
      this.running.delete(id);
      // Whatever ran for an answer may have taken buffers and captured graphs.
      if (this.newMemory()) this.stateChanged();
    }
  }

  private post(message: Parameters<EnginePort['post']>[0]): void {
    if (!this.closed) this.port.post(message);
  }

  private emit<N extends EventName>(name: N, payload: EventPayload<N>): void {
    this.post({ type: 'event', name, payload: events[name].parse(payload) });
  }

  private sendBatches(event: FeedEvent): void {
    const deviceMemory = this.newMemory();
    if (deviceMemory) this.lastMemory = deviceMemory;
    this.emit('batches', { ...event, ...(deviceMemory && { deviceMemory }) });
  }

  /** What the layer holds of the device's memory where the window does not know it yet, else null. */
  private newMemory(): DeviceMemory | null {
    const held = this.inspector.deviceMemory;
    return JSON.stringify(held) === JSON.stringify(this.lastMemory) ? null : held;
  }

  /** Rows on their way belong to a run that is gone; the newest rows of the new source go out instead. */
  private sourceChanged(): void {
    this.feed.clear();
    const source = this.inspector.sourceOrNull();
    const visible = source?.visible() ?? 0;
    const rows = source ? source.table.rows(visible - 200, 200, visible).rows : [];
    this.emit('batches', { rows, total: visible, dropped: 0 });
    this.stateChanged();
  }

  private stateChanged(): void {
    // A change of state itself goes out at once: whoever waits for it may act on it.
    if (this.inspector.machine.state !== this.lastState) this.sendState();
    else this.stateTimer ??= setTimeout(() => this.sendState(), stateIntervalMs);
  }

  private sendState(): void {
    if (this.stateTimer) clearTimeout(this.stateTimer);
    this.stateTimer = null;
    const state = this.inspector.state();
    if (state.state !== 'running') this.feed.flush();
    this.lastState = state.state;
    this.lastMemory = state.deviceMemory ?? null;
    this.emit('state', state);
  }
}
