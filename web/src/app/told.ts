/** A value as words: number with unit, state, yes or no. */

import type { Condition, PropertyType } from "../api/model";
import { toShown } from "../format/scale";
import { humanUnit } from "../format/unit";
import { humanise } from "../format/words";
import { number, t } from "../i18n/index.svelte";
import { units } from "./units.svelte";

export { titleOf } from "../format/words";

type Shape = Pick<PropertyType, "kind" | "unit" | "name" | "semantic_id">;

/** The unit in which `told` tells it: the declared one, or what the reader has chosen. */
export const unitOf = (property: Shape): string => humanUnit(units.ofProperty(property).unit, about(property));

/** The unit of what is stored and sent. */
export const declaredUnitOf = (property: Shape): string => humanUnit(property.unit, about(property));

const about = ({ name, semantic_id }: Shape): string => `${name} ${semantic_id}`;

/** The value alone; its unit is shown beside it (`unitOf`). */
export function told(value: unknown, property: Shape): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return property.kind === "boolean" ? yes(value !== 0) : number(toShown(value, units.ofProperty(property)));
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
