/** The one time range that all charts of a page share: its ends, whether its right edge is now, and the crosshair. Milliseconds. */

export type Range = { last: number } | { start: number; end: number };

export const SHORTEST_MS = 1000;
export const LONGEST_MS = 40 * 365 * 86_400_000;

export class TimeView {
  start = 0;
  end = 0;
  /** The right edge follows the present. */
  live = true;
  /** The moment under the crosshair; null when there is none. */
  cursor: number | null = null;
  private readonly moved = new Set<(view: TimeView) => void>();
  private readonly pointed = new Set<(view: TimeView) => void>();

  /** `now` gives the present of the platform, not of this computer. */
  constructor(
    range: Range,
    readonly now: () => number,
  ) {
    this.set(range);
  }

  get span(): number {
    return this.end - this.start;
  }

  onMove(listener: (view: TimeView) => void): () => void {
    this.moved.add(listener);
    return () => this.moved.delete(listener);
  }

  onPoint(listener: (view: TimeView) => void): () => void {
    this.pointed.add(listener);
    return () => this.pointed.delete(listener);
  }

  set(range: Range): void {
    if ("last" in range) {
      this.live = true;
      this.end = this.now();
      this.start = this.end - Math.min(LONGEST_MS, Math.max(SHORTEST_MS, range.last));
    } else {
      this.live = false;
      this.start = range.start;
      this.end = Math.max(range.end, range.start + SHORTEST_MS);
    }
    this.tell();
  }

  range(): Range {
    return this.live ? { last: this.span } : { start: this.start, end: this.end };
  }

  /** Moves by a part of the span: -0.5 is half a screen earlier. Reaching the present goes live. */
  pan(part: number): void {
    const shift = this.span * part;
    const now = this.now();
    if (this.end + shift >= now) {
      if (!this.live || part < 0) this.set({ last: this.span });
      return;
    }
    this.set({ start: this.start + shift, end: this.end + shift });
  }

  /** `factor` < 1 zooms in. `at` stays where it is; live views keep the present at their right edge. */
  zoom(factor: number, at?: number): void {
    const span = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, this.span * factor));
    if (this.live) return this.set({ last: span });
    const fixed = at ?? (this.start + this.end) / 2;
    const start = fixed - (fixed - this.start) * (span / this.span);
    const end = Math.min(start + span, this.now());
    this.set({ start: end - span, end });
  }

  /** Called several times a second: a live view moves on. */
  tick(): void {
    if (!this.live) return;
    const span = this.span;
    this.end = this.now();
    this.start = this.end - span;
    this.tell();
  }

  point(at: number | null): void {
    if (at === this.cursor) return;
    this.cursor = at;
    for (const listener of this.pointed) listener(this);
  }

  private tell(): void {
    for (const listener of this.moved) listener(this);
  }
}
