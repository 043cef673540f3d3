import type { BatchRow } from '../../contract/batch';

export interface FeedEvent {
  rows: BatchRow[];
  total: number;
  dropped: number;
}

export interface FeedOptions {
  emit: (event: FeedEvent) => void;
  /** Messages the window has not taken yet. */
  backlog: () => number;
  maxRows?: number;
  intervalMs?: number;
  maxBacklog?: number;
}

/**
 * Rows on their way to a window: coalesced to at most 20 events a second and 200 rows each, newest kept; held back while
 * the window has not taken what was sent before. Rows left out are counted and stay in the table.
 */
export class BatchFeed {
  private readonly emit: (event: FeedEvent) => void;
  private readonly backlog: () => number;
  private readonly maxRows: number;
  private readonly intervalMs: number;
  private readonly maxBacklog: number;
  private waiting: BatchRow[] = [];
  private dropped = 0;
  private total = 0;
  private lastSent = Number.NEGATIVE_INFINITY;
  private timer: NodeJS.Timeout | null = null;
  droppedEver = 0;

  constructor({ emit, backlog, maxRows = 200, intervalMs = 50, maxBacklog = 4 }: FeedOptions) {
    this.emit = emit;
    this.backlog = backlog;
    this.maxRows = maxRows;
    this.intervalMs = intervalMs;
    this.maxBacklog = maxBacklog;
  }

  push(row: BatchRow, total: number): void {
    this.total = total;
    this.waiting.push(row);
    if (this.waiting.length > this.maxRows) {
      const excess = this.waiting.length - this.maxRows;
      this.waiting.splice(0, excess);
      this.dropped += excess;
      this.droppedEver += excess;
    }
    this.schedule();
  }

  /** Sends what waits at once, if the window keeps up. */
  flush(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.waiting.length === 0) return;
    if (this.backlog() > this.maxBacklog) {
      this.schedule();
      return;
    }
    const event = { rows: this.waiting, total: this.total, dropped: this.dropped };
    this.waiting = [];
    this.dropped = 0;
    this.lastSent = Date.now();
    this.emit(event);
  }

  clear(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.waiting = [];
    this.dropped = 0;
    this.total = 0;
  }

  private schedule(): void {
    if (this.timer) return;
    const wait =
      this.backlog() > this.maxBacklog ? this.intervalMs : Math.max(0, this.lastSent + this.intervalMs - Date.now());
    this.timer = setTimeout(() => this.flush(), wait);
    this.timer.unref?.();
  }
}
