/** Latencies and shares as people read them. */

import { reader } from "../i18n/index.svelte";

const tenth = (value: number): string => value.toLocaleString(reader.locale, { maximumFractionDigits: 1 });

export function seconds(value: number | null): string {
  if (value === null) return "–";
  if (value === 0) return `0\u202fs`;
  return value < 1 ? `${tenth(Math.max(1, Math.round(value * 1000)))}\u202fms` : value < 100 ? `${tenth(value)}\u202fs` : `${tenth(value / 60)}\u202fmin`;
}

/** Never rounded up to all of it: 99.99 % is not always. */
export function share(value: number | null): string {
  if (value === null) return "–";
  return `${tenth(Math.floor(value * 1000) / 10)}\u202f%`;
}
