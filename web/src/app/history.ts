/** How screens read a property's history: decimated for the pixels they have. */

import { get, twinPath } from "../api/http";
import type { Kind, Series } from "../api/model";
import type { Read } from "../charts/track";
import { rfc3339 } from "./times";

export const isNumeric = (kind: Kind): boolean => kind === "number" || kind === "integer";

export function historyOf(twin: string, property: string, kind: Kind): Read {
  const path = `${twinPath(twin)}/history/${encodeURIComponent(property)}`;
  const method = isNumeric(kind) ? "minmax" : "states";
  return (start, end, points, signal) => {
    const query = { start: rfc3339(start), end: rfc3339(end), points: Math.max(10, Math.round(points)), method };
    return get<Series>(path, query, signal);
  };
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
