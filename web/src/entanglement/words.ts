/** Latencies and shares as people read them. */

import { reader } from "../i18n/index.svelte";

const tenth = (value: number): string => value.toLocaleString(reader.locale, { maximumFractionDigits: 1 });

export function seconds(value: number | null): string {
  if (value === null) return "–";
  if (value === 0) return `0\u202fs`;
  if (value < 1) return `${tenth(Math.max(1, Math.round(value * 1000)))}\u202fms`;
  if (value < 100) return `${tenth(value)}\u202fs`;
  return value < 6000 ? `${tenth(value / 60)}\u202fmin` : `${tenth(value / 3600)}\u202fh`;
}

/** Never rounded up to all of it: 99.99 % is not always. */
export function share(value: number | null): string {
  if (value === null) return "–";
  return `${tenth(Math.floor(value * 1000) / 10)}\u202f%`;
}
