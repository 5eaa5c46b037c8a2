/** One y range for several charts, so that equal heights mean equal values. */

export class SharedScale {
  private readonly seen = new Map<object, [number, number]>();
  private readonly listeners = new Set<() => void>();

  /** What `chart` needs; gives the range of all. Tells the others when that grew or shrank. */
  fit(chart: object, low: number, high: number): [number, number] {
    const before = this.range();
    this.seen.set(chart, [low, high]);
    const now = this.range();
    if (now[0] !== before[0] || now[1] !== before[1]) for (const tell of this.listeners) tell();
    return now;
  }

  leave(chart: object): void {
    if (this.seen.delete(chart)) for (const tell of this.listeners) tell();
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private range(): [number, number] {
    const all = [...this.seen.values()];
    return [Math.min(...all.map(([low]) => low)), Math.max(...all.map(([, high]) => high))];
  }
}
