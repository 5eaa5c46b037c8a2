/** How screens read a property's history: decimated for the pixels they have. */

import { get, twinPath } from "../api/http";
import type { Kind, Series, ValueView } from "../api/model";
import { fold, updatesOf, type Update } from "./conditions";
import { rfc3339 } from "./times";
import type { Read } from "../charts/track";

export const isNumeric = (kind: Kind): boolean => kind === "number" || kind === "integer";

export function historyOf(twin: string, property: string, kind: Kind): Read {
  const path = `${twinPath(twin)}/history/${encodeURIComponent(property)}`;
  const method = isNumeric(kind) ? "minmax" : "states";
  return async (start, end, points, signal) => {
    const query = { start: rfc3339(start), end: rfc3339(end), points: Math.max(10, Math.round(points)), method };
    if (kind === "condition") return conditions(twin, property, [start, end], signal);
    if (!isNumeric(kind)) return get<Series>(path, query, signal);
    const [series, then] = await Promise.all([get<Series>(path, query, signal), valuesAt(twin, start)]);
    return holding(series, start, then[property]);
  };
}

/** A condition's updates as the lists that were active; the last update before the range counts as its first. */
async function conditions(twin: string, property: string, [start, end]: [number, number], signal: AbortSignal): Promise<Series> {
  const [series, then] = await Promise.all([updatesOf(twin, property, start, end, signal), valuesAt(twin, start)]);
  const { time = [], value = [] } = series.columns;
  const before = then[property];
  const known = before?.value && before.quality !== "unavailable" && !Array.isArray(before.value);
  const updates = [...(known ? [before.value] : []), ...value] as (Update | null)[];
  const folded = fold(known ? [start * 1000, ...time] : time, updates);
  return { ...series, columns: { time: folded.time, value: folded.value } };
}

/** The value that held when the range began is its first row: a source that reports changes may have been silent since. */
function holding(series: Series, start: number, then: ValueView | undefined): Series {
  const { time = [], min = [], max = [], mean = [], last = [] } = series.columns;
  const from = Math.round(start * 1000);
  const silent = series.gaps.some(([gap, until]) => gap <= from && until > from);
  if (typeof then?.value !== "number" || then.quality === "unavailable" || silent || (time[0] ?? Infinity) <= from) return series;
  const first = <T>(column: T[]): (T | number)[] => [then.value as number, ...column];
  const columns = { time: [from, ...time], min: first(min), max: first(max), mean: first(mean), last: first(last) };
  return { ...series, columns: columns as Series["columns"] };
}

const KEPT = 64;
const asked = new Map<string, Promise<Record<string, ValueView>>>();

/** A whole twin as of an instant; charts of one twin that begin in the same second share one question. */
function valuesAt(twin: string, ms: number): Promise<Record<string, ValueView>> {
  const key = `${twin}@${Math.floor(ms / 1000)}`;
  let found = asked.get(key);
  if (!found) {
    found = get<{ values: Record<string, ValueView> }>(`${twinPath(twin)}/at`, { time: rfc3339(ms) }).then(
      (answer) => answer.values,
      () => ({}),
    );
    asked.set(key, found);
    if (asked.size > KEPT) asked.delete(asked.keys().next().value!);
  }
  return found;
}

export { rfc3339 };

/** The moment of the first reading of any of these, or null: narrows a coarse read down in a few steps. */
export async function earliest(reads: readonly Read[], now: number): Promise<number | null> {
  const { signal } = new AbortController();
  const firsts = await Promise.all(
    reads.map(async (read) => {
      let [from, to] = [Date.UTC(2000, 0, 1), now];
      for (let step = 0; step < 3 && to - from > 60_000; step++) {
        const series = await read(from, to, 200, signal).catch(() => null);
        const first = series?.columns.time?.[0] ?? series?.columns.start?.[0];
        if (first === undefined) return null;
        const bucket = (to - from) / 200;
        [from, to] = [Math.max(from, first / 1000 - bucket), Math.min(to, first / 1000 + bucket)];
      }
      return from;
    }),
  );
  const found = firsts.filter((first) => first !== null);
  return found.length ? Math.min(...found) : null;
}
