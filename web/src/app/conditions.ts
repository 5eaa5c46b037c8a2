/**
 * The history of conditions. The journal holds single updates (a code begins or ends); screens need the list that was active,
 * and when each entry began.
 */

import { get, twinPath } from "../api/http";
import type { Condition, Series } from "../api/model";
import { rfc3339 } from "./times";

export interface Update extends Partial<Omit<Condition, "level">> {
  level: "normal" | "warning" | "fault" | "unavailable";
}

export interface Activation {
  /** ms */
  time: number;
  condition: Condition;
}

export interface Folded {
  /** The active list from each moment (µs) on; null while nothing was known. */
  time: number[];
  value: (Condition[] | null)[];
  activations: Activation[];
}

/** Folds updates, oldest first: `normal` or `unavailable` without a code ends all, with a code that one. Times in µs. */
export function fold(times: readonly number[], updates: readonly (Update | null)[]): Folded {
  const active = new Map<string, Condition>();
  const folded: Folded = { time: [], value: [], activations: [] };
  times.forEach((us, i) => {
    const update = updates[i] ?? { level: "unavailable" as const };
    const code = update.code ?? "";
    const { level } = update;
    if (level === "warning" || level === "fault") {
      const condition: Condition = { ...update, level };
      const before = active.get(code);
      if (before?.level !== level) folded.activations.push({ time: us / 1000, condition });
      active.set(code, condition);
    } else if (code && level === "normal") active.delete(code);
    else active.clear();
    folded.time.push(us);
    folded.value.push(level === "unavailable" ? null : [...active.values()]);
  });
  return folded;
}

/** Every update of a condition property in [start, end) ms. */
export async function updatesOf(twin: string, property: string, start: number, end: number, signal: AbortSignal): Promise<Series> {
  const query = { start: rfc3339(start), end: rfc3339(end), method: "raw" };
  return get<Series>(`${twinPath(twin)}/history/${encodeURIComponent(property)}`, query, signal);
}

export interface Named {
  twin: string;
  property: { name: string };
}

const AT_ONCE = 4;

/** When conditions of these properties began in [start, end) ms. What cannot be read is left out. */
export async function activationsOf<T extends Named>(refs: readonly T[], start: number, end: number, signal: AbortSignal): Promise<[T, Activation][]> {
  const found: [T, Activation][] = [];
  const waiting = [...refs];
  const work = async (): Promise<void> => {
    for (let ref = waiting.shift(); ref && !signal.aborted; ref = waiting.shift()) {
      const series = await updatesOf(ref.twin, ref.property.name, start, end, signal).catch(() => null);
      if (!series) continue;
      const { activations } = fold(series.columns.time ?? [], (series.columns.value ?? []) as (Update | null)[]);
      for (const one of activations) found.push([ref, one]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}
