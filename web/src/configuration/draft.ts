/** What a form holds of an operation, and the operation that it makes. Pure. */

import { rfc3339 } from "../app/times";
import type { Act, Basis, Concession, Expected, Fresh, Item, Level, Nonconformance, Operation, Said } from "./model";

export type Verb = "swap" | "install" | "remove" | "move" | "merge" | "split" | "modify" | "identify" | "use" | "retire" | "correct" | "withdraw" | "judge" | "raise";

/** What a form is about. */
export interface Asked {
  verb: Verb;
  /** What has the slot. */
  parent?: Item;
  slot?: string;
  /** What is in the slot, or what the operation is of. */
  item?: Item;
  act?: Act;
  nonconformance?: Nonconformance;
}

export interface Draft {
  /** ms. */
  at: number;
  /** The item that comes in; null while none is chosen. */
  fresh: Item | null;
  /** It is not in the record yet: what it is. */
  unlisted: boolean;
  part: string;
  revision: string;
  maker: string;
  serial: string;
  /** Its serial number cannot be read. */
  nameless: boolean;
  /** Of a correction: it was another item, or another slot. */
  otherwise: boolean;
  /** Tells one such item from another. */
  tag: string;
  /** What is counted: hours, strokes … */
  kind: string;
  amount: string;
  /** How it is told: what the item's own counter shows, or how much it was used since a moment. */
  counting: "shows" | "used";
  /** ms; of a use. */
  since: number;
  /** What is counted already; null: that is not known. */
  counted: number | null;
  slot: string;
  /** The id of the place where what was taken out goes; empty: nobody says. */
  to: string;
  value: string;
  state: Nonconformance["state"];
  /** Of a nonconformance that is raised. */
  level: Level;
  /** It is about the slot, whatever is in it. */
  place: boolean;
  reason: string;
  work_order: string;
  evidence: string;
  uncertainty_min: string;
  seen: boolean;
  conceded: string;
  until: string;
}

export const emptyDraft = (at: number): Draft => ({
  at,
  fresh: null,
  unlisted: false,
  part: "",
  revision: "",
  maker: "",
  serial: "",
  nameless: false,
  otherwise: false,
  tag: "",
  kind: "",
  amount: "",
  counting: "shows",
  since: at,
  counted: null,
  slot: "",
  to: "",
  value: "",
  state: "closed",
  level: "concession",
  place: false,
  reason: "",
  work_order: "",
  evidence: "",
  uncertainty_min: "",
  seen: false,
  conceded: "",
  until: "",
});

/** The slot of a store that things are put into. */
export const STORED = "stock";

/** Why something has a counter that nobody counted. */
const BEFORE = "as it came in";

/** An id for an item that is written down for the first time: as people would call it. */
export function idOf({ part, serial, nameless = false, tag = "" }: Pick<Draft, "part" | "serial"> & Partial<Pick<Draft, "nameless" | "tag">>): string {
  return (nameless ? [part || "unknown", tag] : [part, serial]).map((text) => text.trim().replace(/[^A-Za-z0-9._-]+/g, "-")).filter(Boolean).join(".");
}

/** A number as people write it; null: none. */
export function amountOf(text: string): number | null {
  const amount = Number(text.trim().replace(",", "."));
  return text.trim() && Number.isFinite(amount) && amount >= 0 ? amount : null;
}

/** What a counter says of an item: its own reading, beside what is counted, or how much it was used. */
function countedOf(item: string, draft: Draft, at: string): Operation[] {
  const [kind, amount] = [draft.kind.trim(), amountOf(draft.amount)];
  if (!kind || amount === null) return [];
  if (draft.counting === "used") return draft.since < draft.at ? [{ do: "use", item, kind, start: rfc3339(draft.since), end: at, amount }] : [];
  const more = amount - (draft.counted ?? NaN);
  return Number.isFinite(more) && more ? [{ do: "adjust", item, kind, amount: more, at }] : [];
}

/** Where an act says what came in and where: that slot, and the field that names what came in. */
export function placedBy(act: Act | undefined): { parent: string; slot: string; comes: "new" | "child" } | null {
  const said = act?.operation ?? {};
  const [parent, slot] = [said["parent"], said["slot"]];
  if (!["swap", "install"].includes(String(said["do"])) || typeof parent !== "string" || typeof slot !== "string") return null;
  return { parent, slot, comes: said["do"] === "swap" ? "new" : "child" };
}

/** An act was at another moment; or it was of another item or slot, and else as it was said. */
function correctedOf(act: Act, draft: Draft, at: string): Operation[] {
  const placed = placedBy(act);
  if (!draft.otherwise || !placed) return [{ do: "correct", act: act.number, at }];
  const { spec, ...said } = act.operation ?? {};
  const [slot, comes] = [draft.slot.trim() || placed.slot, draft.fresh?.id ?? String(said[placed.comes])];
  if (slot === placed.slot && comes === said[placed.comes]) return [];
  const same = comes === said[placed.comes] && spec ? { spec } : {};
  return [{ do: "correct", act: act.number, at, instead: { ...said, ...same, [placed.comes]: comes, slot, at } }];
}

/** What a merge brought together, or some pieces of a lot. */
function splitOf(asked: Asked, draft: Draft, at: string): Operation[] {
  const [item, other] = [asked.act?.operation?.["into"], asked.act?.operation?.["item"]];
  if (typeof item === "string" && typeof other === "string") return [{ do: "split", item, other, at }];
  const quantity = Number(draft.value);
  return asked.item && draft.serial.trim() && Number.isInteger(quantity) && quantity > 0 ? [{ do: "split", item: asked.item.id, other: draft.serial.trim(), at, quantity }] : [];
}

/** One operation, which also says what a new item is; none while something is missing. */
export function operationsOf(asked: Asked, draft: Draft): Operation[] {
  const at = rfc3339(draft.at);
  const named = draft.nameless ? draft.tag : draft.part.trim() && draft.serial.trim();
  const fresh = draft.unlisted ? (named ? idOf(draft) : "") : (draft.fresh?.id ?? "");
  const told = { id: fresh, part: draft.part.trim(), serial: draft.nameless ? "" : draft.serial.trim(), revision: draft.revision.trim(), maker: draft.maker.trim() };
  const spec: { spec?: Fresh } = draft.unlisted ? { spec: told } : {};
  const slot = asked.slot ?? draft.slot.trim();
  const to: { to?: [string, string] } = draft.to ? { to: [draft.to, STORED] } : {};
  // what nobody knew yet has counted nothing
  const before = draft.unlisted && fresh ? countedOf(fresh, { ...draft, counting: "shows", counted: 0 }, at) : [];
  switch (asked.verb) {
    case "swap":
      return asked.parent && slot && fresh ? [{ do: "swap", parent: asked.parent.id, slot, new: fresh, at, ...to, ...(asked.item ? { old: asked.item.id } : {}), ...spec }, ...before] : [];
    case "install":
      return asked.parent && slot && fresh ? [{ do: "install", child: fresh, parent: asked.parent.id, slot, at, ...spec }, ...before] : [];
    case "use":
      return asked.item ? countedOf(asked.item.id, draft, at) : [];
    case "remove":
      return asked.item ? [{ do: "remove", child: asked.item.id, at, ...to }] : [];
    case "move":
      return asked.item && fresh && draft.slot.trim() ? [{ do: "move", child: asked.item.id, parent: fresh, slot: draft.slot.trim(), at }] : [];
    case "merge":
      return asked.item && fresh && fresh !== asked.item.id ? [{ do: "merge", item: asked.item.id, into: fresh, at }] : [];
    case "split":
      return splitOf(asked, draft, at);
    case "modify":
      return asked.item && draft.value.trim() ? [{ do: "modify", child: asked.item.id, name: "revision", value: draft.value.trim(), at }] : [];
    case "identify":
      return asked.item && draft.serial.trim()
        ? [{ do: "identify", item: asked.item.id, at, serial: draft.serial.trim(), ...(draft.part.trim() ? { part: draft.part.trim() } : {}), ...(draft.maker.trim() ? { maker: draft.maker.trim() } : {}) }]
        : [];
    case "retire":
      return asked.item ? [{ do: "retire", child: asked.item.id, at }] : [];
    case "correct":
      return asked.act && draft.reason.trim() ? correctedOf(asked.act, draft, at) : [];
    case "withdraw":
      return asked.act && draft.reason.trim() ? [{ do: "withdraw", act: asked.act.number }] : [];
    case "judge":
      return asked.nonconformance && (draft.state === "conceded" || draft.reason.trim()) ? [{ do: "judge", nonconformance: asked.nonconformance.number, state: draft.state, at }] : [];
    case "raise":
      if (!draft.reason.trim()) return [];
      if (asked.item && !draft.place) return [{ do: "raise", item: asked.item.id, level: draft.level, at }];
      return asked.parent && slot ? [{ do: "raise", item: asked.parent.id, slot, level: draft.level, at }] : [];
  }
}

/** On what it rests: what was in the slot when the form was filled in is assumed, so that two swaps never hide each other. */
export function basisOf(asked: Asked, draft: Draft, key: string): Basis & { key: string } {
  const expects: Expected[] = (asked.verb === "swap" || asked.verb === "remove") && asked.parent && asked.slot && asked.item ? [{ root: asked.parent.id, slot: asked.slot, item: asked.item.id }] : [];
  const minutes = Number(draft.uncertainty_min.replace(",", "."));
  return {
    key,
    source: "web",
    ...(draft.reason.trim() ? { reason: draft.reason.trim() } : {}),
    ...(draft.work_order.trim() ? { work_order: draft.work_order.trim() } : {}),
    ...(draft.evidence.trim() ? { evidence: draft.evidence.trim() } : {}),
    ...(minutes > 0 ? { uncertainty_s: minutes * 60 } : {}),
    ...(draft.seen ? { seen: true } : {}),
    ...(expects.length ? { expects } : {}),
  };
}

export function concessionOf(draft: Draft): Concession | undefined {
  const reason = draft.conceded.trim();
  return reason ? { reason, ...(draft.until ? { until: `${draft.until}T00:00:00Z` } : {}) } : undefined;
}

/** All that is handed in, one after the other, each with a key of its own: the act itself, and what is told with it. */
export function saidOf(asked: Asked, draft: Draft, key: string): (Said & { basis: { key: string } })[] {
  const operations = operationsOf(asked, draft);
  const concession = concessionOf(draft);
  return operations.map((operation, index) => {
    const basis = basisOf(asked, draft, `${key}-${index}`);
    return index ? { operation, basis: { key: basis.key, source: "web", reason: basis.reason ?? BEFORE } } : { operation, basis, ...(concession ? { concession } : {}) };
  });
}
