/** Moments and names as the pages of the configuration tell them: with their year, for parts outlive years. */

import { dayYear, toMs } from "../format/time";
import { clock, number, reader, t } from "../i18n/index.svelte";

/** "12 Mar 2026, 04:00"; the time of day only where it is not midnight at the site. */
export function when(moment: string | number | null | undefined): string {
  const ms = typeof moment === "number" ? moment : toMs(moment);
  if (ms === null) return "–";
  const time = clock(ms);
  const date = dayYear(ms, reader.locale, reader.zone);
  return time === "00:00" ? date : `${date}, ${time}`;
}

export const days = (count: number): string => (count === 1 ? t("upkeep.day") : t("upkeep.days", { count: number(count) }));
/** "12 days ago" */
export const age = (count: number): string => (count < 1 ? t("upkeep.today") : t("upkeep.ago", { days: days(Math.floor(count)) }));
