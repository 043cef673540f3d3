import type { BatchRow } from '../../contract/batch';
import type { ReplaySource } from './replay-source';

export interface PlayerEvents {
  /** playback reached a batch */
  row(row: BatchRow): void;
  changed(): void;
  /** the position was set: rows shown before are void */
  sought(): void;
}

/** Longest wait between two batches of a playback, so that a pause in the recording is not sat out. */
const longestGapMs = 2000;

/** Plays a recorded session: batches become visible at the times they had, divided by the rate. */
export class ReplayPlayer {
  readonly source: ReplaySource;
  private readonly events: PlayerEvents;
  private timer: NodeJS.Timeout | null = null;

  constructor(source: ReplaySource, events: PlayerEvents) {
    this.source = source;
    this.events = events;
  }

  get playing(): boolean {
    return this.timer !== null;
  }

  /** Makes the batches up to and including `batch` visible (cut to the recording). Returns the position. */
  seek(batch: number): number {
    this.stop();
    this.source.setPosition(batch);
    this.events.sought();
    return this.source.position;
  }

  /** Plays on from the position, from the start when it is at the end. `rate` 1 is as recorded. */
  play(rate: number): void {
    this.stop();
    if (this.source.position >= this.source.table.length - 1) this.seek(0);
    this.scheduleNext(rate);
    this.events.changed();
  }

  stop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  private scheduleNext(rate: number): void {
    const { table, position } = this.source;
    if (position >= table.length - 1) {
      this.timer = null;
      this.events.changed();
      return;
    }
    const gap = table.time(position + 1) - table.time(position);
    this.timer = setTimeout(
      () => {
        this.source.setPosition(position + 1);
        this.events.row(table.row(position + 1));
        this.scheduleNext(rate);
      },
      Math.min(longestGapMs, Math.max(0, gap / rate)),
    );
  }

  async dispose(): Promise<void> {
    this.stop();
    await this.source.dispose();
  }
}
