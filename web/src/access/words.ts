/** How screens call what grants say. */

import { session } from "../app/session.svelte";
import { t, tOr } from "../i18n/index.svelte";
import type { Selector } from "./model";

const DAY_S = 86_400;

/** Which twins: "mazak01, with parts", "of type Press". */
export function selected({ everything, twins, parts, types, linked, stages }: Selector): string {
  if (everything) return t("sharing.which.everything");
  const told = [
    twins?.length ? twins.join(", ") + (parts === false ? "" : ` ${t("sharing.parts")}`) : "",
    types?.length ? t("sharing.typed", { types: types.map((id) => session.typeTitle(id)).join(", ") }) : "",
    linked?.join(", "),
    stages?.map((stage) => tOr("stage", stage)).join(", "),
  ];
  return told.filter(Boolean).join("; ");
}

/** How much of the past may be read: "", all of it; 0s, what is now; 30d or 2592000s, so much of it; a moment. */
export function past(history: string): string {
  if (!history) return t("past.all");
  const told = /^(\d+)([ds])$/.exec(history);
  if (!told) return t("past.from", { moment: history });
  const days = told[2] === "d" ? Number(told[1]) : Number(told[1]) / DAY_S;
  return days === 0 ? t("past.now") : t("past.days", { count: Math.round(days * 10) / 10 });
}
