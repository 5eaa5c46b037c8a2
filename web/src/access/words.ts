/** How screens call what grants say. */

import { t } from "../i18n/index.svelte";

const DAY_S = 86_400;

/** How much of the past may be read: "", all of it; 0s, what is now; 30d or 2592000s, so much of it; a moment. */
export function past(history: string): string {
  if (!history) return t("past.all");
  const told = /^(\d+)([ds])$/.exec(history);
  if (!told) return t("past.from", { moment: history });
  const days = told[2] === "d" ? Number(told[1]) : Number(told[1]) / DAY_S;
  return days === 0 ? t("past.now") : t("past.days", { count: Math.round(days * 10) / 10 });
}
