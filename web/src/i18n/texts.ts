/** Every text of the screens: a file for each noun in `texts/`, the languages side by side. `{name}` is filled in. */

import access from "./texts/access";
import app from "./texts/app";
import audit from "./texts/audit";
import backups from "./texts/backups";
import campaigns from "./texts/campaigns";
import chart from "./texts/chart";
import connect from "./texts/connect";
import connectors from "./texts/connectors";
import devices from "./texts/devices";
import entanglement from "./texts/entanglement";
import events from "./texts/events";
import fleet from "./texts/fleet";
import happened from "./texts/happened";
import health from "./texts/health";
import items from "./texts/items";
import type { Language, Texts } from "./texts/languages";
import orders from "./texts/orders";
import people from "./texts/people";
import quarantine from "./texts/quarantine";
import sharing from "./texts/sharing";
import sign from "./texts/sign";
import trends from "./texts/trends";
import twin from "./texts/twin";
import types from "./texts/types";
import value from "./texts/value";

export { LANGUAGES, type Language } from "./texts/languages";

const FIRST = {
  ...access,
  ...app,
  ...audit,
  ...backups,
  ...campaigns,
  ...chart,
  ...connect,
  ...connectors,
  ...devices,
  ...entanglement,
  ...events,
  ...fleet,
  ...happened,
  ...health,
  ...items,
  ...orders,
  ...people,
  ...quarantine,
  ...sharing,
  ...sign,
  ...trends,
  ...twin,
  ...types,
  ...value,
};

/** Texts that come with the pages that need them, by `add`. */
type Later = typeof import("./texts/bulletins").default & typeof import("./texts/work").default & typeof import("./texts/configuration").default & typeof import("./texts/effectiveness").default & typeof import("./texts/forms").default & typeof import("./texts/offers").default & typeof import("./texts/lifetimes").default & typeof import("./texts/thread").default & typeof import("./texts/upkeep").default;

export const TEXTS = FIRST as typeof FIRST & Later;
export type Key = keyof typeof TEXTS;

export const add = (...texts: readonly Texts[]): void => void Object.assign(TEXTS, ...texts);

/** The text for `key`, with `{name}` replaced by `values.name`; `key.one` where there is one and the count is 1. */
export function fill(language: Language, key: Key, values: Record<string, string | number> = {}): string {
  const one = `${key}.one` as Key;
  const text = TEXTS[values.count === 1 && one in TEXTS ? one : key][language];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
