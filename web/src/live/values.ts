/** The newest value of each twin's property, and who wants to hear of it. Knows no sockets and no screens. */

import { QUALITIES, type QualityName } from "../api/model";

/** Times are microseconds since the epoch. */
export interface Now {
  value: unknown;
  time: number;
  changed: number;
  quality: QualityName;
  fresh: boolean;
  staleSince: number | null;
}

/** `[key, value, time, changed, quality, fresh, stale_since]` as the socket sends it. */
export type Row = [number, unknown, number, number, number | QualityName, boolean, number | null];

export type Listener = (now: Now, twin: string, property: string) => void;

const id = (twin: string, property: string): string => `${twin}\n${property}`;

export class Values {
  private readonly values = new Map<string, Now>();
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly dirty = new Set<string>();
  /** Rises with every value that is put. */
  version = 0;
  private waiting: ReturnType<typeof setTimeout> | null = null;

  /** `interval_ms`: listeners hear at most once in this time (4 Hz by default), however fast values arrive. */
  constructor(readonly interval_ms = 250) {}

  get(twin: string, property: string): Now | undefined {
    return this.values.get(id(twin, property));
  }

  /** Calls `listener` after each change of the value, at most every `interval_ms`. Returns how to stop. */
  listen(twin: string, property: string, listener: Listener): () => void {
    const key = id(twin, property);
    const set = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, set.add(listener));
    return () => {
      set.delete(listener);
      if (set.size === 0 && this.listeners.get(key) === set) this.listeners.delete(key);
    };
  }

  put(twin: string, property: string, row: Row): void {
    const [, value, time, changed, quality, fresh, staleSince] = row;
    const name = typeof quality === "number" ? (QUALITIES[quality] ?? "bad") : quality;
    this.set(id(twin, property), { value, time, changed, quality: name, fresh, staleSince });
  }

  freshness(twin: string, property: string, fresh: boolean, staleSince: number | null): void {
    const key = id(twin, property);
    const old = this.values.get(key);
    if (old) this.set(key, { ...old, fresh, staleSince });
  }

  forget(twin: string): void {
    for (const key of this.values.keys()) {
      if (key.startsWith(`${twin}\n`)) this.values.delete(key);
    }
  }

  /** Forgets all values; who listens stays. */
  clear(): void {
    this.values.clear();
  }

  /** Tells the listeners now; the timer does it otherwise. */
  flush(): void {
    if (this.waiting !== null) clearTimeout(this.waiting);
    this.waiting = null;
    const changed = [...this.dirty];
    this.dirty.clear();
    for (const key of changed) {
      const now = this.values.get(key);
      const set = this.listeners.get(key);
      if (!now || !set) continue;
      const [twin, property] = key.split("\n") as [string, string];
      for (const listener of [...set]) listener(now, twin, property);
    }
  }

  private set(key: string, now: Now): void {
    this.values.set(key, now);
    this.version++;
    if (!this.listeners.has(key)) return;
    this.dirty.add(key);
    this.waiting ??= setTimeout(() => this.flush(), this.interval_ms);
  }
}
