/** Moments in the site's time zone, spans in words. Inside the screens moments are milliseconds since the epoch. */

const formats = new Map<string, Intl.DateTimeFormat>();

function format(locale: string, zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale}|${zone}|${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(locale, { timeZone: zone, ...options });
    formats.set(key, found);
  }
  return found;
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;

export const clock = (ms: number, locale: string, zone: string): string => format(locale, zone, CLOCK).format(ms);

export const clockSeconds = (ms: number, locale: string, zone: string): string =>
  format(locale, zone, { ...CLOCK, second: "2-digit" }).format(ms);

export const day = (ms: number, locale: string, zone: string): string =>
  format(locale, zone, { weekday: "short", day: "numeric", month: "short" }).format(ms);

export const dayYear = (ms: number, locale: string, zone: string): string =>
  format(locale, zone, { day: "numeric", month: "short", year: "numeric" }).format(ms);

/** Date and time; the date only when it is not today's (`now`). */
export function moment(ms: number, now: number, locale: string, zone: string): string {
  const time = clockSeconds(ms, locale, zone);
  return dayYear(ms, "en", zone) === dayYear(now, "en", zone) ? time : `${day(ms, locale, zone)}, ${time}`;
}

export const full = (ms: number, locale: string, zone: string): string =>
  format(locale, zone, { dateStyle: "medium", timeStyle: "long" }).format(ms);

/** The zone as people name it there: EST, MEZ, GMT+1. */
export function zoneName(ms: number, locale: string, zone: string): string {
  const parts = format(locale, zone, { ...CLOCK, timeZoneName: "short" }).formatToParts(ms);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? zone;
}

const STEPS = [
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"],
] as const;

/** A span in its largest unit: "12 s", "5 min", "3 h", "2 days" as the locale writes it. */
export function span(ms: number, locale: string): string {
  const size = Math.max(0, ms);
  if (size >= 2 * 86_400_000) {
    const options = { style: "unit", unit: "day", unitDisplay: "long", maximumFractionDigits: 0 } as const;
    return new Intl.NumberFormat(locale, options).format(Math.floor(size / 86_400_000));
  }
  const [unit_ms, unit] = STEPS.find(([least]) => size >= least) ?? STEPS[2];
  return `${Math.floor(size / unit_ms)}\u202f${unit}`;
}

/** RFC 3339 text or microseconds, as milliseconds. */
export function toMs(moment: string | number | null | undefined): number | null {
  if (moment === null || moment === undefined) return null;
  if (typeof moment === "number") return moment / 1000;
  const found = Date.parse(moment);
  return Number.isNaN(found) ? null : found;
}

/** Minutes that `zone` is ahead of UTC at `ms`. */
export function offset_min(ms: number, zone: string): number {
  const wanted = { year: "numeric", month: "2-digit", day: "2-digit", second: "2-digit", ...CLOCK } as const;
  const parts = format("en", zone, wanted).formatToParts(ms);
  const of = (type: string): number => Number(parts.find((part) => part.type === type)?.value ?? 0);
  const wall = Date.UTC(of("year"), of("month") - 1, of("day"), of("hour"), of("minute"), of("second"));
  return Math.round((wall - Math.floor(ms / 1000) * 1000) / 60_000);
}

/** Site wall time "2026-03-01T14:30" (as a datetime-local field holds it) → ms. In a skipped hour: the moment after it. */
export function fromWall(text: string, zone: string): number | null {
  const utc = Date.parse(`${text}Z`);
  if (Number.isNaN(utc)) return null;
  const guess = utc - offset_min(utc, zone) * 60_000;
  return utc - offset_min(guess, zone) * 60_000;
}

/** ms → site wall time for a datetime-local field, to the minute. */
export function toWall(ms: number, zone: string): string {
  return new Date(ms + offset_min(ms, zone) * 60_000).toISOString().slice(0, 16);
}
