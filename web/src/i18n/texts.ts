/** Every text of the screens: a file for each noun in `texts/`, the languages side by side. `{name}` is filled in. */

import access from "./texts/access";
import app from "./texts/app";
import audit from "./texts/audit";
import backups from "./texts/backups";
import chart from "./texts/chart";
import connect from "./texts/connect";
import connectors from "./texts/connectors";
import devices from "./texts/devices";
import entanglement from "./texts/entanglement";
import events from "./texts/events";
import fleet from "./texts/fleet";
import health from "./texts/health";
import type { Language } from "./texts/languages";
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

export const TEXTS = {
  ...access,
  ...app,
  ...audit,
  ...backups,
  ...chart,
  ...connect,
  ...connectors,
  ...devices,
  ...entanglement,
  ...events,
  ...fleet,
  ...health,
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
export type Key = keyof typeof TEXTS;

/** The text for `key`, with `{name}` replaced by `values.name`; `key.one` where there is one and the count is 1. */
export function fill(language: Language, key: Key, values: Record<string, string | number> = {}): string {
  const one = `${key}.one` as Key;
  const text = TEXTS[values.count === 1 && one in TEXTS ? one : key][language];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
