/** Keeps the wanted tiles coming: a few requests at a time, those no longer wanted are cancelled. */
import { type TileAddress, tileKey, tileRequest } from './levels';
import { packCells, type Tile, type TileSource } from './source';

export interface LoaderEvents {
  /** A wanted tile has arrived. */
  tile(tile: Tile): void;
  /** A request failed for another reason than our own cancelling. */
  failed(error: unknown): void;
  /** Requests running or waiting; 0 means all wanted tiles are there or have failed. */
  pending(count: number): void;
}

export class TileLoader {
  private readonly running = new Map<string, AbortController>();
  private waiting: { key: string; address: TileAddress }[] = [];
  private source: TileSource | null = null;

  constructor(
    private readonly events: LoaderEvents,
    private readonly has: (key: string) => boolean,
    private readonly parallel = 4,
  ) {}

  /** Replaces the wish list. Requests that are not on the new list are aborted at once. */
  want(source: TileSource, addresses: TileAddress[]): void {
    this.source = source;
    const wanted = new Map(addresses.map((address) => [tileKey(source.key, address), address]));
    for (const [key, controller] of this.running) {
      if (wanted.has(key)) continue;
      this.running.delete(key);
      controller.abort();
    }
    this.waiting = [...wanted]
      .filter(([key]) => !this.has(key) && !this.running.has(key))
      .map(([key, address]) => ({ key, address }));
    this.fill();
    this.report();
  }

  stop(): void {
    this.waiting = [];
    for (const controller of this.running.values()) controller.abort();
    this.running.clear();
    this.report();
  }

  private fill(): void {
    while (this.source && this.running.size < this.parallel) {
      const next = this.waiting.shift();
      if (!next) return;
      void this.request(this.source, next.key, next.address);
    }
  }

  private async request(source: TileSource, key: string, address: TileAddress): Promise<void> {
    const controller = new AbortController();
    this.running.set(key, controller);
    const request = tileRequest(address, source);
    try {
      const reply = await source.fetch(request, controller.signal);
      if (this.running.get(key) !== controller) return;
      const exact = { ...request, outRows: reply.outRows, outCols: reply.outCols };
      this.events.tile({ key, level: address.level, request: exact, cells: packCells(reply) });
    } catch (error) {
      if (this.running.get(key) === controller) this.events.failed(error);
    }
    if (this.running.get(key) !== controller) return;
    this.running.delete(key);
    this.fill();
    this.report();
  }

  private report(): void {
    this.events.pending(this.running.size + this.waiting.length);
  }
}
