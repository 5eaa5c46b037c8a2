/** Orders in the words that their types have for properties, commands and fields. */

import type { CommandType, PropertyType, TwinType } from "../api/model";
import { titleOf, told, unitOf } from "../app/told";
import type { Member, Order } from "./model";

/** What twins of some types can be told, to call it by its titles. */
export type Types = readonly (Pick<TwinType, "properties" | "commands"> | undefined)[];

const one = <T extends { name: string }>(name: string, lists: readonly (readonly T[] | undefined)[]): T | undefined =>
  lists.flatMap((list) => list ?? []).find((some) => some.name === name);
const propertyOf = (name: string, types: Types): PropertyType | undefined => one(name, types.map((type) => type?.properties));
const commandOf = (name: string, types: Types): CommandType | undefined => one(name, types.map((type) => type?.commands));
const bare = (value: unknown): string => (value === null || value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));

/** A property's value, or another's field, with its unit. */
const valueTold = (value: unknown, property: PropertyType | undefined): string =>
  property ? `${told(value, property)} ${unitOf(property)}`.trim() : bare(value);

/** What is ordered, by its title. */
export function whatOf(order: Pick<Order, "kind" | "name">, types: Types): string {
  const found = order.kind === "property" ? propertyOf(order.name, types) : commandOf(order.name, types);
  return titleOf({ name: order.name, title: found?.title ?? "" });
}

/** What it is to be: the value, or the fields of a command by their titles. */
export function wantedOf(order: Pick<Order, "kind" | "name" | "input">, types: Types): string {
  if (order.kind === "property") return valueTold(order.input, propertyOf(order.name, types));
  const fields = commandOf(order.name, types)?.input ?? [];
  return Object.entries((order.input ?? {}) as Record<string, unknown>)
    .map(([name, value]) => {
      const field = fields.find((some) => some.name === name);
      return `${titleOf({ name, title: field?.title ?? "" })} ${valueTold(value, field)}`;
    })
    .join(", ");
}

/** What a property that is a member is now. */
export const reportedOf = (member: Member, types: Types): string =>
  member.kind === "property" ? valueTold(member.reported?.value, propertyOf(member.name, types)) : "";
