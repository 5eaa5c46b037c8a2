/** Work orders, stops and exchanges as the interface tells them. */

import { get, post, send } from "../api/http";
import type { Page } from "../api/model";
import { money } from "../format/money";

export const STATES = ["planned", "assigned", "on_the_way", "working", "done", "failed", "cancelled"] as const;
export type WorkState = (typeof STATES)[number];
export const OPEN: readonly WorkState[] = ["planned", "assigned", "on_the_way", "working", "failed"];
export const CAUSES = ["wrong_people", "wrong_parts", "wrong_tools", "wrong_information", "no_access", "other"] as const;
export const KINDS = ["predetermined", "condition_based", "predictive", "immediate", "deferred", "improvement", "modification", "installation"] as const;
export type Cause = (typeof CAUSES)[number];
export const CLASSES = ["hardware", "software", "overload", "user_error", "security", "environment", "unknown", "planned"] as const;
export type StopKind = (typeof CLASSES)[number];

export interface Visit {
  number: number;
  key: string;
  who: string;
  start: string;
  end: string | null;
  outcome: "under_way" | "done" | "failed";
  cause: Cause | null;
  note: string;
}
export interface PartWanted {
  part: string;
  revision: string;
  quantity: number;
  slot: string;
}
export interface Order {
  id: string;
  system: string;
  external: string;
  twin: string;
  item: string;
  title: string;
  what: string;
  job: string;
  maintenance: string | null;
  start: string | null;
  end: string | null;
  party: string;
  skills: string[];
  tools: string[];
  parts: (Partial<PartWanted> & { part: string })[];
  repairs: string;
  rework: string | null;
  expects: object[];
  state: WorkState;
  revision: number;
  steps: { state: WorkState; time: string; recorded: string; actor: string; reason: string }[];
  visits: Visit[];
  may: boolean;
  repaired_by: string[];
}
/** What a form says of an order; all else of it stays as it is. */
export interface OrderFields {
  item: string;
  title: string;
  what: string;
  maintenance: string | null;
  start: string | null;
  end: string | null;
  party: string;
  job: string;
  skills: string[];
  tools: string[];
  parts: PartWanted[];
}
export type OrderSaid = OrderFields & Partial<Pick<Order, "id" | "system" | "external" | "twin" | "repairs" | "rework" | "expects">>;
export interface Kit {
  item: string;
  serial: string;
  skills: string[];
  tools: string[];
  parts: { part: string; revision: string; quantity: number; slot: string; fits: "yes" | "no" | "unknown"; why: string }[];
  papers: { document: string; title: string; version: string; language: string }[];
  unsafe: string[];
  nonconformances: number;
  withheld: string[];
}
export interface ActUnder {
  act: { number: number; kind: string; time: string };
  items: string[];
}
export interface VisitSaid {
  key: string;
  start: string;
  end?: string;
  outcome: Visit["outcome"];
  cause?: Cause;
  note: string;
}
export interface Cost {
  amounts: Record<string, string>;
  unpriced_h: number;
  rests_on: string[];
}
export interface Report {
  start: string;
  end: string;
  orders: number;
  visits: { count: number; failed: number; causes: Record<Cause, number>; orders: number; first_time_fix: number | null; unvisited: number };
  rework: { cause: string; count: number; hours: number; cost: Cost; orders: string[] }[];
  failures: { kind: StopKind; count: number; hours: number; cost: Cost }[];
  downtime: { twin: string; stops: number; open: boolean; hours: number; cost: Cost }[];
  cost: Cost;
}
export interface Stop {
  id: string;
  twin: string;
  start: string;
  end: string | null;
  seen: string;
  order: string;
  item: string;
  kind: StopKind;
  classes: { kind: StopKind; reason: string; recorded: string; actor: string }[];
}
export interface Ran {
  direction: "pull" | "push";
  end: string;
  outcome: "done" | "failed";
  counts: Record<string, number>;
  faults: { place: string; external: string; message: string }[];
  detail: string;
}
export interface Standing {
  exchange: { id: string; system: string; kind?: string; title?: string; pull?: object; push?: object };
  things: Record<string, number>;
  last: Ran | null;
}
export interface Thing {
  external: string;
  ours: string;
  state: "same" | "waiting" | "conflict" | "refused";
  agreed: { conflict?: Record<string, unknown> };
  due: string;
  detail: string;
}

export const orderPath = (id: string): string => `/work/orders/${encodeURIComponent(id)}`;
/** Where an order for an item is made, which follows a bulletin or a job plan. */
export const newOrderHref = (item: string, job = ""): string => `/work?${new URLSearchParams({ new: "", item, ...(job ? { job } : {}) }).toString()}`;
export const orderHref = (id: string): string => `/work/${encodeURIComponent(id)}`;
export const packHref = (order: Order): string => `/api/v1/items/${encodeURIComponent(order.item)}/work-pack.pdf?job=${encodeURIComponent(order.id)}`;

export const readOrders = (query: Record<string, string | number>, signal?: AbortSignal): Promise<Page<Order>> => get("/work/orders", query, signal);
export const readOrder = (id: string, signal?: AbortSignal): Promise<Order> => get(orderPath(id), {}, signal);
/** Made, or told otherwise: of another `revision` than this it is refused. */
export const putOrder = (said: OrderSaid, revision?: number): Promise<{ what: string; order: Order }> => post("/work/orders", said, revision);
export const readKit = (id: string, signal?: AbortSignal): Promise<Kit> => get(`${orderPath(id)}/kit`, {}, signal);
export const readActs = (id: string, signal?: AbortSignal): Promise<ActUnder[]> => get(`${orderPath(id)}/acts`, {}, signal);
export const move = (id: string, state: WorkState, concession = ""): Promise<Order> => post(`${orderPath(id)}/state`, { state, concession });
export const tellVisit = (id: string, visit: VisitSaid): Promise<Order> => post(`${orderPath(id)}/visits`, visit);
export const readReport = async (query: Record<string, string>, signal?: AbortSignal): Promise<Report> => (await get<Report[]>("/work/report", query, signal))[0]!;
export const readStops = (query: Record<string, string | number>, signal?: AbortSignal): Promise<Page<Stop>> => get("/work/stops", query, signal);
export const classify = (id: string, kind: StopKind, reason: string): Promise<Stop> => post(`/work/stops/${encodeURIComponent(id)}/class`, { kind, reason });
export const readExchanges = (signal?: AbortSignal): Promise<Standing[]> => get("/work/exchanges", {}, signal);
const exchangePath = (id: string): string => `/work/exchanges/${encodeURIComponent(id)}`;
export const readThings = (id: string, signal?: AbortSignal): Promise<Page<Thing>> => get(`${exchangePath(id)}/things`, { state: "waiting,conflict,refused" }, signal);
export const runExchange = (id: string): Promise<Ran[]> => send("POST", `${exchangePath(id)}/run`);
export const settle = (id: string, external: string, keep: "ours" | "theirs"): Promise<Thing> => post(`${exchangePath(id)}/settle`, { external, keep });

/** "€2,587.50", with what has no price beside it. */
export function costOf(cost: Cost, locale: string, unpriced: (hours: string) => string): string {
  const told = Object.entries(cost.amounts).map(([currency, amount]) => money(amount, currency, locale));
  if (cost.unpriced_h > 0.05) told.push(unpriced(new Intl.NumberFormat(locale).format(Math.round(cost.unpriced_h * 10) / 10)));
  return told.join(" + ") || "–";
}

/** What is told of a visit: what it lacks is left out. */
export function visitSaid(told: { key: string; start: string; end: string | null; failed: boolean; cause: Cause; note: string }): VisitSaid {
  const { key, start, end, failed, cause, note } = told;
  const outcome = failed ? "failed" : end ? "done" : "under_way";
  return { key, start, outcome, note: note.trim(), ...(end ? { end } : {}), ...(failed ? { cause } : {}) };
}

/** What is typed a line each; empty lines are none. */
export const lines = (text: string): string[] => text.split("\n").map((one) => one.trim()).filter(Boolean);

/** An order as it is told to the platform: what the form says, and what `before` it was otherwise. The machine of an
 * item that was chosen anew follows from the item, and what is expected of another one's state is not said of it. */
export function orderSaid(said: OrderFields, before: Order | null): OrderSaid {
  const plain = { ...said, title: said.title.trim(), what: said.what.trim(), party: said.party.trim(), job: said.job.trim(), parts: said.parts.map((one) => ({ ...one, part: one.part.trim(), revision: one.revision.trim(), slot: one.slot.trim() })) };
  if (!before) return plain;
  const { id, system, external, repairs, rework } = before;
  return { ...plain, id, system, external, repairs, rework, ...(said.item === before.item ? { twin: before.twin, expects: before.expects } : {}) };
}
