/** Bytes as people read them, in powers of 1000. */

import { whole } from "./number";

const UNITS = [["TB", 1e12], ["GB", 1e9], ["MB", 1e6]] as const;

export function size(bytes: number, locale: string): string {
  for (const [unit, least] of UNITS) if (bytes >= least) return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(bytes / least)}\u202f${unit}`;
  return `${whole(Math.ceil(bytes / 1000), locale)}\u202fkB`;
}
