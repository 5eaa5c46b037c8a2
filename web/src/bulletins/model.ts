/** Bulletins, questions to the fleet, and who relied on what: their shapes, and their calls. */

import { address, get, post } from "../api/http";
import type { Page } from "../api/model";
import { itemHref, type Act, type AsOf, type Difference, type Span } from "../configuration/model";

export const STATES = ["open", "unknown", "not_needed", "complied"] as const;
export type State = (typeof STATES)[number];

/** That something is in a machine. */
export interface Having {
  part: string;
  below: string;
  above: string;
  revisions: string[];
  unknown: boolean;
}

export interface Version {
  number: number;
  document: string;
  version: string;
  language: string;
  name: string;
  note: string;
  applies: { part: string; revisions: string[]; serials: string[]; lots: string[] }[];
  having: Having[];
  valid: Span;
}

export interface Bulletin {
  id: string;
  title: string;
  version: Version;
  counts: Record<State, number>;
  /** Why it cannot be told to which machines it applies. */
  problem: string;
}

export interface Compliance {
  at: string;
  version: string;
  item: string;
  actor: string;
  work_order: string;
  evidence: string;
  reason: string;
  link: number;
  act: number;
}

/** One bulletin at one machine. */
export interface Standing {
  bulletin: string;
  title: string;
  version: string;
  machine: string;
  part: string;
  serial: string;
  state: State;
  since: string | null;
  items: string[];
  complied: Compliance | null;
  ended: Act | null;
  orders: string[];
  note: string;
}

/** Somebody has something to do, or to find out. */
export const isOpen = ({ state }: Standing): boolean => state === "open" || state === "unknown";

export interface Machines {
  bulletin: Bulletin;
  items: Standing[];
  next: string | null;
  total: number;
}

/** One machine that has all that was asked for, and when. */
export interface Match {
  root: string;
  part: string;
  serial: string;
  spans: Span[];
  items: string[];
}

export type Matches = Page<Match> & { total: number; unknown: number };

/** One limit of one item. */
export interface Left {
  item: string;
  part: string;
  revision: string;
  kind: string;
  used: number;
  limit: number;
  hard: boolean;
  remaining: number;
  share: number;
  untold_s: number;
  root: string;
  path: string[];
}

/** Something that relied on what was believed of a machine. */
export interface Dependant {
  reliance: { kind: string; reference: string; root: string; valid: string; known: string };
  differences: Difference[];
  number: number;
  actor: string;
}

export const bulletinPath = (id: string): string => `/bulletins/${encodeURIComponent(id)}`;
export const readBulletins = (q: string, asked: AsOf, cursor: string | null, signal?: AbortSignal): Promise<Page<Bulletin>> =>
  get("/bulletins", { q, ...asked, cursor }, signal);
export const readMachines = (id: string, state: string, asked: AsOf, cursor: string | null, signal?: AbortSignal): Promise<Machines> =>
  get(bulletinPath(id), { state, ...asked, cursor }, signal);
export const readStandings = (item: string, asked: AsOf, signal?: AbortSignal): Promise<Standing[]> =>
  get(`/items/${encodeURIComponent(item)}/bulletins`, { ...asked }, signal);
export const comply = (bulletin: string, said: { item: string; at?: string; basis: Record<string, string> }): Promise<unknown> =>
  post(`${bulletinPath(bulletin)}/compliances`, said);
export const contentHref = ({ document, version, language }: Version): string =>
  address(`/documents/${encodeURIComponent(document)}/versions/${encodeURIComponent(version)}/content`, { language });

/** A line of the form: a part and, if it matters, its revision or version. */
export interface Clause {
  part: string;
  how: "" | "<" | ">" | "=";
  revision: string;
  unknown: boolean;
}

export const NO_CLAUSE: Clause = { part: "", how: "", revision: "", unknown: false };

/** As the platform reads it: P-7, P-7:<C, P-7:?<C. */
export function written({ part, how, revision, unknown }: Clause): string {
  const bound = how && revision.trim() ? `${how}${revision.trim()}` : "";
  return bound ? `${part.trim()}:${unknown ? "?" : ""}${bound}` : part.trim();
}

export function clauseOf(text: string): Clause {
  const cut = text.indexOf(":");
  if (cut < 0) return { ...NO_CLAUSE, part: text };
  let rest = text.slice(cut + 1);
  const unknown = rest.startsWith("?");
  if (unknown) rest = rest.slice(1);
  const how = rest.slice(0, 1);
  if (how !== "<" && how !== ">" && how !== "=") return { ...NO_CLAUSE, part: text.slice(0, cut) };
  return { part: text.slice(0, cut), how, revision: rest.slice(1), unknown };
}

/** The question that an address of the page holds. */
export interface Asked extends AsOf {
  having: string[];
  start: string | null;
  end: string | null;
  /** An attached source, or ours and one (`own,supplier`); empty: what is believed here. */
  source: string;
}

export const askedOf = (query: URLSearchParams): Asked => ({
  having: query.getAll("having"),
  at: query.get("at"),
  known: query.get("known"),
  start: query.get("start"),
  end: query.get("end"),
  source: query.get("source") ?? "",
});

export function queryOf(asked: Partial<Asked>): string {
  const query = new URLSearchParams();
  for (const one of asked.having ?? []) query.append("having", one);
  for (const name of ["at", "start", "end", "known", "source"] as const) if (asked[name]) query.set(name, asked[name]);
  const text = query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  return text ? `?${text}` : "";
}

/** Where a machine that was found is to be seen; what is of several sources is nowhere as a whole. */
export function matchHref(root: string, { source, at, known }: Asked): string {
  if (!source) return itemHref(root, { at, known });
  return source.includes(",") ? "" : `/upkeep?view=sources&source=${encodeURIComponent(source)}&root=${encodeURIComponent(root)}`;
}

export const readMatches = (asked: Asked, cursor: string | null, signal?: AbortSignal): Promise<Matches> => get("/configurations", { ...asked, cursor }, signal);
export const matchesTable = (asked: Asked): string => address("/configurations", { ...asked, format: "csv" });

export interface LeftAsked extends AsOf {
  part: string;
  kind: string;
  root: string;
}
export const readLeft = (asked: LeftAsked, limit: number, signal?: AbortSignal): Promise<{ items: Left[]; total: number }> => get("/remaining", { ...asked, limit }, signal);
export const leftTable = (asked: LeftAsked): string => address("/remaining", { ...asked, format: "csv" });

export const readRelied = (asked: { kind?: string; reference?: string; root?: string; changed: boolean }, cursor: string | null, signal?: AbortSignal): Promise<Page<Dependant>> =>
  get("/reliances", { ...asked, cursor }, signal);

/** Where what relied is to be seen. */
export function reliedHref({ kind, reference, root }: Dependant["reliance"]): string {
  if (kind === "work-order") return `/work/${encodeURIComponent(reference)}`;
  if (kind === "campaign") return `/campaigns/${encodeURIComponent(reference)}`;
  return `/items/${encodeURIComponent(root)}`;
}
