/** A time range in an address: `last=8h`, or `from=…&to=…` in RFC 3339. */

import type { Range } from "../charts/view";
import { rfc3339 } from "./history";

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 365 * 86_400_000 };
export const PRESETS = ["15m", "1h", "8h", "24h", "7d", "30d", "1y"] as const;

export function spanOf(text: string): number | null {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([smhdy])$/.exec(text) ?? [];
  return count && unit ? Number(count) * UNITS[unit]! : null;
}

export function rangeOf(query: URLSearchParams, fallback: string): Range {
  const [from, to] = [Date.parse(query.get("from") ?? ""), Date.parse(query.get("to") ?? "")];
  if (to > from) return { start: from, end: to };
  return { last: spanOf(query.get("last") ?? "") ?? spanOf(fallback)! };
}

export function toQuery(range: Range, fallback: string): Record<"last" | "from" | "to", string | null> {
  if (!("last" in range)) return { last: null, from: rfc3339(range.start), to: rfc3339(range.end) };
  const preset = PRESETS.find((name) => Math.abs(spanOf(name)! - range.last) < 1000);
  const last = preset ?? `${Math.round(range.last / 1000)}s`;
  return { last: last === fallback ? null : last, from: null, to: null };
}
