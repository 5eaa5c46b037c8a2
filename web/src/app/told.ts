/** A value as words: number with unit, state, yes or no. */

import type { Condition, PropertyType } from "../api/model";
import { humanUnit } from "../format/unit";
import { humanise } from "../format/words";
import { number, t } from "../i18n/index.svelte";

export { titleOf } from "../format/words";

type Shape = Pick<PropertyType, "kind" | "unit" | "name" | "semantic_id">;

export const unitOf = (property: Shape): string => humanUnit(property.unit, `${property.name} ${property.semantic_id}`);

/** The value alone; its unit is shown beside it (`unitOf`). */
export function told(value: unknown, property: Shape): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return property.kind === "boolean" ? yes(value !== 0) : number(value);
  if (typeof value === "boolean") return yes(value);
  if (property.kind === "enumeration") return humanise(String(value));
  if (Array.isArray(value)) return property.kind === "condition" ? conditionsTold(value as Condition[]) : `[${value.length}]`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const yes = (is: boolean): string => t(is ? "value.true" : "value.false");

export function conditionTold({ level, code, text }: Condition): string {
  const what = [code, text].filter(Boolean).join(" ");
  return what || t(level === "fault" ? "condition.fault" : "condition.warning");
}

const conditionsTold = (list: Condition[]): string => (list.length ? list.map(conditionTold).join(", ") : t("condition.normal"));
