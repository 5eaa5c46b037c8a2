/** Shares, uses and moments as the pages of lifetimes tell them. */

import { dayYear, toMs } from "../format/time";
import { humanise } from "../format/words";
import { number, reader, t, whole } from "../i18n/index.svelte";

export function percent(share: number | null): string {
  if (share === null) return t("lifetimes.unknown");
  const told = 100 * share;
  if (told > 0 && told < 0.1) return `< ${number(0.1)} %`;
  return `${number(told < 10 ? Math.round(10 * told) / 10 : Math.round(told))} %`;
}

/** "1,240 hours": whole where it is large, with three figures where it is small. */
export const use = (amount: number, counter: string): string => `${amount >= 100 ? whole(Math.round(amount)) : number(Number(amount.toPrecision(3)))} ${humanise(counter).toLowerCase()}`;

export function date(moment: string | null): string {
  const ms = toMs(moment);
  return ms === null ? t("lifetimes.unknown") : dayYear(ms, reader.locale, reader.zone);
}
