/** A set of listeners. One that throws does not keep the others from hearing. */
export class Listeners<T> {
  private readonly set = new Set<(value: T) => void>();

  /** Returns a function that takes the listener out again. */
  add(listener: (value: T) => void): () => void {
    // A wrapper of its own, so that the same function added twice is heard twice and removed once.
    const entry = (value: T) => listener(value);
    this.set.add(entry);
    return () => this.set.delete(entry);
  }

  emit(value: T): void {
    for (const listener of [...this.set]) {
      try {
        listener(value);
      } catch (error) {
        // Reported as any uncaught error of the window is, but after the other listeners.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
