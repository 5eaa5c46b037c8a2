/** Keeps one property's columns for a view: reads them from the platform when the view has moved far enough, appends live values. */

import { reasonOf } from "../api/http";
import type { Series } from "../api/model";
import type { Now } from "../live/values";
import { append, EMPTY, fromSeries, type Columns } from "./series";
import type { TimeView } from "./view";

/** Reads [start, end) ms in about `points` buckets. */
export type Read = (start: number, end: number, points: number, signal: AbortSignal) => Promise<Series>;

export class Track {
  columns: Columns = EMPTY;
  state: "reading" | "ready" | "failed" = "reading";
  problem = "";
  /** The value that holds now. */
  now: Now | undefined;
  private read_: [number, number, number] = [0, 0, 0];
  private wanted: AbortController | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly view: TimeView,
    private readonly read: Read,
    private readonly changed: () => void,
  ) {}

  /** Asks for data when what is there does not cover the view, is too coarse for it, or has grown old at its right edge. */
  fit(points: number): void {
    const { start, end, span, live } = this.view;
    const [from, to, spanRead] = this.read_;
    const covers = from <= start && (live ? end - to < Math.max(20_000, spanRead * 0.1) : to >= Math.min(end, this.view.now()));
    if (covers && span > spanRead * 0.7 && span <= spanRead * 1.001) return;
    if (this.timer || this.wanted) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      void this.fetch(points);
    }, 120);
  }

  take(now: Now): void {
    this.now = now;
    if (this.state !== "ready" || this.columns === EMPTY) return;
    append(this.columns, now.time / 1000, now.quality === "unavailable" ? null : now.value);
  }

  /** Until when the last value is known to hold. */
  held(): number {
    const present = this.view.now();
    const now = this.now;
    if (now && !now.fresh && now.staleSince !== null) return Math.min(present, now.staleSince / 1000);
    return present;
  }

  close(): void {
    if (this.timer) clearTimeout(this.timer);
    this.wanted?.abort();
  }

  private async fetch(points: number): Promise<void> {
    const wanted = new AbortController();
    this.wanted = wanted;
    const { start, end, span, live } = this.view;
    // A margin on the left lets a live view scroll and a drag begin without an empty edge.
    const margin = live ? 0 : span * 0.02;
    try {
      const series = await this.read(start - margin, end + margin, points, wanted.signal);
      this.columns = fromSeries(series);
      this.read_ = [start - margin, end + margin, span];
      this.state = "ready";
      if (this.now) this.take(this.now);
    } catch (error) {
      if (wanted.signal.aborted) return;
      this.state = "failed";
      this.problem = reasonOf(error);
      this.read_ = [start, end, span];
    } finally {
      this.wanted = null;
    }
    this.changed();
    if (!wanted.signal.aborted) this.fit(points);
  }
}
