/** The shapes of items, acts and operations, and their calls. Moments over HTTP are RFC 3339 text. */

import { ApiError, get, send } from "../api/http";
import type { Page } from "../api/model";

export type ItemKind = "hardware" | "electrical" | "software" | "document" | "location";

export interface Item {
  id: string;
  part: string;
  revision: string;
  maker: string;
  serial: string;
  lot: string;
  /** Pieces of a lot. */
  quantity?: number;
  kind: ItemKind;
  twin: string;
  born: string | null;
  retired: string | null;
  /** What of it is not shared with who looks. */
  withheld?: string[];
}

/** An item that was looked for, and where it is. */
export interface Found {
  item: Item;
  /** The machine or store that it is in; empty: it is in nothing. */
  root: string;
  path: string[];
  since: string | null;
}

/** One item that was asked for by itself. */
export interface Told extends Found {
  /** Who looks may say what is done to it, and to what is in it. */
  may: boolean;
}

/** Software that an item runs in one of its slots, as it was reported. */
export interface Running {
  slot: string;
  part: string;
  /** Empty: a version was never reported, and one should be. */
  version: string;
  since: string | null;
  /** Ranges of versions that the machine has to run. */
  required: string[];
  /** Null: it is not told what is required. */
  state: "ok" | "behind" | "forbidden" | "unknown" | "free" | null;
}

export interface Node {
  item: Item;
  /** Slots from the root down; empty for the root. */
  path: string[];
  since: string;
  parts: Node[];
  /** The operation that is planned of it, if any. */
  planned?: string;
  /** What it runs itself. */
  software?: Running[];
}

/** What an operation assumes of a slot: it is refused when that is not so. */
export interface Expected {
  root: string;
  slot: string;
  item: string;
}

export interface Basis {
  source?: string;
  work_order?: string;
  evidence?: string;
  confidence?: number;
  uncertainty_s?: number;
  reason?: string;
  key?: string;
  /** It was seen so: recorded though a rule says otherwise. */
  seen?: boolean;
  expects?: Expected[];
}

export interface Concession {
  reason: string;
  until?: string;
}

export interface Act {
  number: number;
  kind: string;
  time: string;
  recorded: string;
  actor: string;
  basis: Basis;
  amends: number | null;
  /** All that was said; empty where it is not told. */
  operation?: Record<string, unknown>;
}

export interface Span {
  start: string;
  end: string | null;
}

export interface Placement {
  child: string;
  parent: string;
  slot: string;
  valid: Span;
  recorded: Span;
  begun_by: number;
  ended_by: number | null;
}

export interface Stay {
  root: string;
  path: string[];
  span: Span;
}

export interface Count {
  amount: number;
  /** So many seconds of its life nobody told of its use. */
  untold_s: number;
}

export interface Difference {
  path: string[];
  before: Item | null;
  after: Item | null;
  /** Of software: what ran there, and what runs. */
  ran: Running | null;
  runs: Running | null;
}

export type Level = "allow" | "warn" | "concession" | "block";

export interface Finding {
  rule: string;
  level: Level;
  text: string;
  slot: string;
  item: string;
  parent: string;
  safety: boolean;
}

export interface Outcome {
  act: number;
  repeated: boolean;
  findings: Finding[];
  nonconformances: number[];
}

export interface Nonconformance {
  number: number;
  item: string;
  parent: string;
  slot: string;
  rule: string;
  level: Level;
  text: string;
  act: number;
  time: string;
  state: "open" | "conceded" | "closed";
  by: string;
  until: string | null;
  reason: string;
  /** What the act that said so rests on: `record:ID`, a photograph … */
  evidence: string;
}

export interface Plan {
  number: number;
  title: string;
  at: string;
  work_order: string;
  operations: Operation[];
  state: "planned" | "done" | "cancelled";
  recorded: string;
  actor: string;
  reason: string;
  acts: number[];
}

/** What differs from what was seen, and what would bring the record to it. */
export interface Inspection {
  differences: { parent: string; slot: string; recorded: string[]; text: string }[];
  /** In order: what would bring the record to what was seen. */
  operations: Operation[];
  /** The items that were seen where they are recorded. */
  confirmed: string[];
  /** (item, slot) that nobody looked into. */
  unseen: [string, string][];
}

/** One slot, and what is known of it. */
export interface SlotState {
  path: string[];
  parent: string;
  holding: "held" | "empty" | "unknown" | "differs";
  item: string;
  part: string;
  serial: string;
  revision: string;
  mandatory: boolean;
  safety: boolean;
  /** When somebody last saw that it is so, or made it so. */
  confirmed: string | null;
  /** What it is for, by the parts book. */
  kind?: ItemKind;
  /** What it holds is software that was reported. */
  software?: boolean;
}

export interface Completeness {
  slots: SlotState[];
  held: number;
  empty: number;
  unknown: number;
  differing: number;
  missing: number;
  unserialised: number;
  unrevised: number;
  /** Why it is not safe to work on or with it. */
  threatens: string[];
  confirmed: string | null;
  share: number;
}

/** What became of one of many operations: one of both. */
export interface Done {
  outcome: Outcome | null;
  problem: ({ status: number; code: string; detail: string } & Record<string, unknown>) | null;
}

export type Saw = "item" | "nothing" | "unknown";

/** An operation as a value; `do` says which. */
/** What an item is that is not known yet. */
export type Fresh = Partial<Item> & { id: string; part: string };

export type Operation =
  | { do: "create"; spec: Fresh; at: string }
  | { do: "install"; child: string; parent: string; slot: string; at: string; until?: string; spec?: Fresh }
  | { do: "remove"; child: string; at: string; to?: [string, string] }
  | { do: "swap"; parent: string; slot: string; new: string; at: string; to?: [string, string]; old?: string; spec?: Fresh }
  | { do: "move"; child: string; parent: string; slot: string; at: string }
  | { do: "modify"; child: string; name: string; value: string; at: string }
  | { do: "retire"; child: string; at: string }
  | { do: "merge"; item: string; into: string; at: string }
  | { do: "split"; item: string; other: string; at: string; quantity?: number }
  | { do: "observe"; parent: string; slot: string; at: string; saw: Saw; item?: string; part?: string; maker?: string; serial?: string; revision?: string }
  | { do: "identify"; item: string; at: string; part?: string; maker?: string; serial?: string; lot?: string }
  | { do: "use"; item: string; kind: string; start: string; end: string; amount: number }
  | { do: "adjust"; item: string; kind: string; amount: number; at: string }
  | { do: "judge"; nonconformance: number; state: Nonconformance["state"]; at: string }
  | { do: "raise"; item: string; slot?: string; level: Level; at: string }
  | { do: "correct"; act: number; at: string; instead?: Record<string, unknown> }
  | { do: "withdraw"; act: number };

export interface Effectivity {
  serials?: string[];
  lots?: string[];
  from?: string;
  until?: string;
}

export interface Condition {
  part: string;
  revisions?: string[];
  slot?: string;
}

export interface SlotRule {
  slot: string;
  part: string;
  maker?: string;
  revisions?: string[];
  of?: string[];
  effectivity?: Effectivity;
  requires?: Condition[];
  excludes?: Condition[];
  level?: Level;
}

export interface SlotSpec {
  slot: string;
  name?: string;
  count?: number;
  mandatory?: boolean;
  kind?: ItemKind;
  safety?: boolean;
  effectivity?: Effectivity;
  otherwise?: Level;
}

export interface LifeLimit {
  kind: string;
  limit: number;
  hard?: boolean;
  revisions?: string[];
  effectivity?: Effectivity;
}

/** What a revision may stand in for on conditions. */
export interface Replaced {
  what: string;
  effectivity?: Effectivity;
  requires?: Condition[];
  excludes?: Condition[];
  alone?: boolean;
}

/** A part that may be in a slot of exactly this machine. */
export interface Allowed {
  part: string;
  maker: string;
  revisions: string[];
  level: Level;
  requires: Condition[];
  excludes: Condition[];
  /** What it stands in for, over all steps to what is meant to be there. */
  instead: string[];
  /** As the machine is now; null: it cannot be told. */
  now: boolean | null;
  why: string;
}

/** A piece, where it is, and what the rules would say of it in a slot. */
export interface Offered extends Found {
  fits: boolean | null;
  level: Level;
  why: string;
  instead: string[];
  /** It is in a store, or in nothing. */
  stock: boolean;
}

/** What may come into one slot. */
export interface Offer {
  name: string;
  /** The parts book has rules for it. */
  ruled: boolean;
  allowed: Allowed[];
  pieces: Offered[];
}

export interface PartType {
  part: string;
  maker?: string;
  name?: string;
  kind?: ItemKind;
  revisions?: { revision: string; replaces?: (string | Replaced)[]; note?: string }[];
  slots?: SlotSpec[];
  rules?: SlotRule[];
  limits?: LifeLimit[];
  traits?: Record<string, string>;
}

/** A slot that a part may be in, by the book. */
export interface WhereUsed {
  part: string;
  maker: string;
  slot: string;
  revisions: string[];
}

/** What is handed in at once: an operation, and on what it rests. */
export interface Said {
  operation: Operation;
  basis: Basis;
  concession?: Concession;
}

/** As of when: of the world, and of our knowing. Null: now. */
export interface AsOf {
  at: string | null;
  known: string | null;
}

export const NOW: AsOf = { at: null, known: null };

export const itemPath = (id: string): string => `/items/${encodeURIComponent(id)}`;
export const itemHref = (id: string, asked: AsOf = NOW): string => `${itemPath(id)}${asOfQuery(asked)}`;
export const partHref = (part: string): string => `/parts/${encodeURIComponent(part)}`;

export function asOfQuery({ at, known }: AsOf): string {
  const query = new URLSearchParams();
  if (at) query.set("at", at);
  if (known) query.set("known", known);
  const text = query.toString().replaceAll("%3A", ":");
  return text ? `?${text}` : "";
}

export const findItems = (query: Record<string, string | number | boolean | null>, signal?: AbortSignal): Promise<Page<Found>> =>
  get<Page<Found>>("/items", query, signal);
export const readOffer = (parent: string, slot: string, query: Record<string, string | number | null>, signal?: AbortSignal): Promise<Offer> =>
  get(`${itemPath(parent)}/slots/${encodeURIComponent(slot)}/fitting`, query, signal);
export const readCounters = (id: string, at: string, signal?: AbortSignal): Promise<Record<string, Count>> => get(`${itemPath(id)}/counters`, { at }, signal);
export const readItem = (id: string, asked: AsOf, signal?: AbortSignal): Promise<Told> => get(itemPath(id), { ...asked }, signal);
export const readTree = (id: string, asked: AsOf, signal?: AbortSignal): Promise<Node> => get(`${itemPath(id)}/tree`, { ...asked, plans: true }, signal);
/** A view of somebody else's configuration may leave questions out: they are answered with nothing then. */
export const shown = <T>(asked: Promise<T>, nothing: T): Promise<T> =>
  asked.catch((error: unknown) => {
    if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return nothing; // the item itself is told
    throw error;
  });

/** What was said of the root of a tree alone, and of all that is in it. */
export async function readActs(tree: Node, signal?: AbortSignal): Promise<{ own: Act[]; all: Act[] }> {
  const of = `${itemPath(tree.item.id)}/acts`;
  const [own, all] = await Promise.all([{}, { inside: "true" }].map((query) => shown(get<Act[]>(of, query, signal), [])));
  return { own: own ?? [], all: all ?? [] };
}
export const readHistory = (id: string, signal: AbortSignal): Promise<Placement[]> => shown(get<Placement[]>(`${itemPath(id)}/history`, {}, signal), []);

/** What a part is called by: its serial number where there is one. */
export const nameOfItem = (item: Pick<Item, "id" | "serial" | "lot">): string => item.serial || item.lot || item.id;

/** Machines and stores are called by their ids, as others name them; what is in them by what is written on it. */
export const nameOfFound = ({ item, root }: Found): string => (root ? nameOfItem(item) : item.id);

/** Says something; `dry` only asks what the rules say. */
export const say = (said: Said, { dry = false } = {}): Promise<Outcome> => send("POST", dry ? "/operations?dry_run=true" : "/operations", bodyOf(said));

/** Without what only this browser notes of it. */
const bodyOf = ({ operation, basis, concession }: Said): Said => ({ operation, basis, ...(concession ? { concession } : {}) });

/** Says many; each has its own answer. */
export const sayAll = (all: readonly Said[]): Promise<Done[]> => send("POST", "/operations", all.map(bodyOf));

/** The rules that stand against what was asked, as a refusal tells them. */
export const findingsOf = ({ findings }: Readonly<Record<string, unknown>>): Finding[] => (Array.isArray(findings) ? (findings as Finding[]) : []);

/** An id of one assertion: said again, it has no second effect. Plain pages have no randomUUID. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `web-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** A tree's nodes in the order of reading, the root first. */
export const flat = (node: Node): Node[] => [node, ...node.parts.flatMap(flat)];
