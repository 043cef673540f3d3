import type { Answer } from './source';

/** Answers kept while somebody looks at a batch: least recently used out first, bounded by bytes of native memory. */
export class AnswerCache {
  private readonly entries = new Map<string, { answer: Answer; bytes: number }>();
  private readonly limit: number;
  private held = 0;

  /** @param limit bytes; the newest answer is kept even if it alone is larger */
  constructor(limit: number) {
    this.limit = limit;
  }

  get bytes(): number {
    return this.held;
  }

  get(key: string): Answer | undefined {
    const entry = this.entries.get(key);
    if (!entry) return undefined;
    this.entries.delete(key);
    this.entries.set(key, entry);
    return entry.answer;
  }

  put(key: string, answer: Answer): void {
    this.remove(key);
    let bytes = 0;
    for (const tensor of Object.values(answer.tensors)) bytes += tensor.info().bytes;
    this.entries.set(key, { answer, bytes });
    this.held += bytes;
    for (const oldest of this.entries.keys()) {
      if (this.held <= this.limit || oldest === key) break;
      this.remove(oldest);
    }
  }

  clear(): void {
    this.entries.clear();
    this.held = 0;
  }

  private remove(key: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    this.held -= entry.bytes;
  }
}
