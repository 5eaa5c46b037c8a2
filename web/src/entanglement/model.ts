/** How twins are tied to their objects; as docs/reference/http.md shows it. */

export type Level = "model" | "shadow" | "twin";
export const LEVELS = ["model", "shadow", "twin"] as const;

export interface Latency {
  count: number;
  p50_s: number;
  p95_s: number;
  p99_s: number;
  ahead: number;
  /** Seconds below which, and how many readings. */
  histogram: [number, number][];
}

export interface Declared {
  direction: string;
  sources: string[];
  carrier: string;
  by_hand: string;
  mode: string;
  within_s: number | null;
  rate_hz: number | null;
  buffers_s: number | null;
  conflict: string;
}

export interface Tie {
  property: string;
  level: Level;
  since: string | null;
  why: string;
  inward: string;
  outward: string;
  fresh: boolean | null;
  stale_since: string | null;
  share: number | null;
  looked_s: number;
  latency: Latency | null;
  rate_hz: number | null;
  lost: number;
  declared: Declared;
  entered: string | null;
}

export interface TwinTie {
  twin: string;
  name: string;
  types: string[];
  level: Level;
  levels: Record<Level, number>;
  properties: number;
  stale: number;
  stale_since: string | null;
  share: number | null;
  p95_s: number | null;
  lost: number;
}

export interface Shop {
  shop: {
    twins: number;
    properties: number;
    levels: Record<Level, number>;
    stale: number;
    share: number | null;
    latency: Latency | null;
    looked_s: number;
  };
  items: TwinTie[];
  next: string | null;
}

export interface Stretch {
  stale: [string, string][];
  lost: { source: string; time: string; count: number }[];
  share: number | null;
  lost_count: number;
}

export interface Span {
  from: number;
  to: number;
}

/** Stale stretches in ms; what was lost, as moments. Those that fall on the same pixel are one. */
export function marksOf(found: Stretch, msPerPixel: number): { stale: Span[]; lost: { at: number; count: number }[] } {
  const stale: Span[] = [];
  for (const [since, until] of found.stale) {
    const [from, to] = [Date.parse(since), Date.parse(until)];
    const last = stale.at(-1);
    if (last && from - last.to < msPerPixel) last.to = Math.max(last.to, to);
    else stale.push({ from, to });
  }
  const lost: { at: number; count: number }[] = [];
  for (const { time, count } of found.lost) {
    const at = Date.parse(time);
    const last = lost.at(-1);
    if (last && at - last.at < msPerPixel * 3) last.count += count;
    else lost.push({ at, count });
  }
  return { stale, lost };
}

/** The heights of a histogram's bars, from 0 to 1, between the shortest and the longest latency that occurred. */
export function bars(histogram: readonly [number, number][]): { left: number; width: number; height: number }[] {
  const most = Math.max(1, ...histogram.map(([, count]) => count));
  // Buckets grow by a quarter: on a logarithmic axis they are equally wide. Below a millisecond there is one.
  const place = (below: number): number => (below <= 0 ? -1 : Math.round(Math.log(Math.max(below, 0.001) / 0.001) / Math.log(1.25)));
  const places = histogram.map(([below]) => place(below));
  const [first, last] = [Math.min(...places), Math.max(...places)];
  const cells = Math.max(8, last - first + 1);
  const lead = Math.floor((cells - (last - first + 1)) / 2);
  return histogram.map(([, count], i) => ({
    left: (places[i]! - first + lead) / cells,
    width: 1 / cells,
    height: Math.max(0.06, count / most),
  }));
}
