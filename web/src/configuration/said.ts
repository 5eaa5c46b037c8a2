/** What an act says was done, in plain words, with what it names as links. Pure: the words are handed in. */

import { humanise } from "../format/words";
import type { Key } from "../i18n/texts";
import type { Act } from "./model";

/** A piece of a sentence; one that names an item has its id. */
export interface Piece {
  text: string;
  item?: string;
}

const [OPEN, SHUT] = ["\u0001", "\u0002"];

export type Words = (key: Key, values?: Record<string, string | number>) => string;

/** The pieces of what an act says; empty where nothing more is told than its kind. */
export function saidBy({ operation: said = {} }: Pick<Act, "operation">, t: Words, self = ""): Piece[] {
  const instead = said["instead"];
  if (instead && typeof instead === "object") return saidBy({ operation: instead as Record<string, unknown> }, t, self);
  /** Items are marked while the sentence is made, in whatever order its language has them. */
  const marked = (value: unknown): string => (value ? `${OPEN}${String(value)}${SHUT}` : t("said.something"));
  const verb = String(said["do"] ?? "");
  const text = (name: string): string => String(said[name] ?? "");
  const to = Array.isArray(said["to"]) ? (said["to"] as string[]) : null;
  const spec = (said["spec"] ?? {}) as Record<string, string>;
  const identity = (of: Record<string, unknown>): string =>
    [of["part"], of["serial"] && t("said.serial", { serial: String(of["serial"]) }), of["lot"] && t("item.lot", { lot: String(of["lot"]) })].filter(Boolean).map(String).join(", ");
  const values: Record<string, string | number> = {
    child: marked(said["child"] ?? said["item"]),
    parent: marked(said["parent"]),
    slot: humanise(text("slot")),
    fresh: marked(said["new"]),
    old: marked(said["old"]),
    into: marked(said["into"]),
    other: marked(said["other"]),
    to: marked(to?.[0]),
    name: (text("name") || text("kind")).replaceAll("_", " "),
    value: text("value") || text("version"),
    amount: text("amount"),
    quantity: text("quantity"),
    number: text("nonconformance"),
    identity: identity(verb === "create" ? spec : said),
    state: said["state"] ? t(`nonconformance.${text("state")}` as Key) : "",
  };
  if (verb === "observe") return pieces(t(said["saw"] === "nothing" ? "said.observe.nothing" : said["item"] ? "said.observe.item" : "said.observe.other", values));
  const keys: Record<string, Key> = {
    create: "said.create",
    install: "said.install",
    remove: to ? "said.remove.to" : "said.remove",
    swap: said["old"] ? "said.swap.old" : "said.swap",
    move: "said.move",
    modify: "said.modify",
    use: "said.use",
    adjust: "said.adjust",
    identify: "said.identify",
    merge: "said.merge",
    split: said["quantity"] ? "said.split.lot" : "said.split",
    report: "said.report",
    judge: "said.judge",
    raise: said["slot"] ? "said.raise.slot" : "said.raise",
  };
  const key = keys[verb];
  const told = key ? pieces(t(key, values)) : [];
  return told.map((one) => (one.item === self && self ? { text: one.text } : one));
}

/** A sentence with marks, as its pieces. */
export function pieces(text: string): Piece[] {
  return text
    .split(OPEN)
    .flatMap((part, index): Piece[] => {
      if (!index) return [{ text: part }];
      const [item = "", rest = ""] = part.split(SHUT);
      return [{ text: item, item }, { text: rest }];
    })
    .filter((one) => one.text);
}
