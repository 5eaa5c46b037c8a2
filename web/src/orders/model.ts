/** Orders to objects, what is desired of them, who has control; as docs/reference/http.md shows them. */

import { get, send, twinPath } from "../api/http";
import type { Page, PropertyType, Twin } from "../api/model";
import { same, toDeclared, type Scale } from "../format/scale";

export interface Step {
  state: string;
  time: string;
  detail: string;
}

export interface Order {
  id: string;
  twin: string;
  kind: "command" | "property";
  name: string;
  input: unknown;
  state: string;
  ended: boolean;
  actor: string;
  created: string;
  deadline: string;
  approval: string;
  reason: string;
  detail: string;
  output: unknown;
  /** What the object said after its end. */
  late: { time: string; result: string; detail: string }[];
  /** That it is a part of; empty: of none. */
  transaction: string;
  role: string;
  steps: Step[];
}

export interface Member {
  twin: string;
  kind: "command" | "property";
  name: string;
  input: unknown;
  order: string;
  state: string;
  detail: string;
  reported: { value: unknown } | null;
  undone: string;
  undone_state: string;
  note: string;
}

export interface Transaction {
  id: string;
  title: string;
  state: string;
  ended: boolean;
  actor: string;
  created: string;
  approval: string;
  goal: string;
  waits_for: string;
  reason: string;
  detail: string;
  members: Member[];
}

export interface GoalRun {
  id: string;
  value: number;
  at: number | null;
  state: string;
  ended: boolean;
  detail: string;
}

export interface Goal {
  name: string;
  title: string;
  description: string;
  unit: string;
  minimum: number | null;
  maximum: number | null;
  ramp_per_s: number | null;
  now: number | null;
  why: string;
  run: GoalRun | null;
}

export interface Desired {
  value: unknown;
  revision: number;
  order: string;
  state: string;
  agrees: boolean;
}

export interface Rule {
  rule: string;
  holds: boolean;
  detail: string;
  of: string[];
}

export interface Control {
  holder: string;
  /** Of the holder; empty for somebody of another organisation. */
  name: string;
  mine: boolean;
  /** You may command it. */
  may: boolean;
  of: string;
  until: string | null;
  required: boolean;
  forced_because: string;
  rules: Rule[];
}

/** Somebody else who may command a twin. */
export interface Person {
  id: string;
  name: string;
}

/** The way of an order that goes well. */
export const WAY = ["requested", "sent", "delivered", "acknowledged", "applied"] as const;

/** How far it came on that way: an index of `WAY`; -1 when it did not begin. */
export function reached(order: Pick<Order, "steps">): number {
  return Math.max(-1, ...order.steps.map((step) => WAY.indexOf(step.state as (typeof WAY)[number])));
}

/** How it stands, in the words that colours go by. */
export function standing(order: Pick<Order, "state" | "ended">): "open" | "well" | "void" | "bad" | "unknown" {
  if (!order.ended) return "open";
  if (order.state === "applied") return "well";
  if (order.state === "superseded" || order.state === "cancelled") return "void";
  return order.state === "unknown" ? "unknown" : "bad";
}

/** How a transaction or a run stands, in the same words. */
export function standingOf(one: Pick<Transaction, "state" | "ended">): "open" | "well" | "void" | "bad" | "unknown" {
  if (!one.ended) return "open";
  if (one.state === "committed" || one.state === "reached") return "well";
  if (["cancelled", "superseded", "expired"].includes(one.state)) return "void";
  return one.state === "unknown" ? "unknown" : "bad";
}

/** How a member stands: what was put back counts more than what was done before. */
export function memberState(member: Pick<Member, "state" | "undone_state">): string {
  if (member.undone_state === "applied") return "putback";
  return member.undone_state ? "putting" : member.state;
}

/** What a form's field holds as the value that its property takes, in its declared unit; undefined when it is left empty. */
export function valueOf(property: Pick<PropertyType, "kind">, text: string, typedIn: Scale = same("")): unknown {
  if (property.kind === "boolean") return text === "true" ? true : text === "false" ? false : undefined;
  if (text.trim() === "") return undefined;
  if (property.kind === "number" || property.kind === "integer") {
    const number = Number(text.trim().replace(",", "."));
    return Number.isFinite(number) ? toDeclared(number, typedIn) : text;
  }
  if (property.kind === "array" || property.kind === "object") {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}

/** The twins of transactions, by id; one that cannot be read is left out. */
export async function readMembers(list: readonly Transaction[], signal?: AbortSignal): Promise<ReadonlyMap<string, Twin>> {
  const ids = [...new Set(list.flatMap((some) => some.members.map((member) => member.twin)))];
  const found = await Promise.all(ids.map((id) => get<Twin>(twinPath(id), {}, signal).catch(() => null)));
  return new Map(found.flatMap((twin) => (twin ? [[twin.id, twin] as const] : [])));
}

export const readOrders = async (twin: string, signal?: AbortSignal): Promise<Order[]> =>
  (await get<Page<Order>>(`${twinPath(twin)}/orders`, { limit: 8 }, signal)).items;
export const readDesired = (twin: string, signal?: AbortSignal): Promise<Record<string, Desired>> => get(`${twinPath(twin)}/desired`, {}, signal);
export const readControl = (twin: string, signal?: AbortSignal): Promise<Control> => get(`${twinPath(twin)}/control`, {}, signal);
export const command = (twin: string, name: string, input: Record<string, unknown>): Promise<Order> =>
  send("POST", `${twinPath(twin)}/commands/${encodeURIComponent(name)}`, { input });
export const desire = (twin: string, property: string, value: unknown): Promise<Order> =>
  send("PUT", `${twinPath(twin)}/properties/${encodeURIComponent(property)}/desired`, { value });
export const act = (order: string, verb: "cancel" | "approve" | "resolve", body: unknown = {}): Promise<Order> =>
  send("POST", `/orders/${encodeURIComponent(order)}/${verb}`, body);
export const readTransactions = async (twin: string, signal?: AbortSignal): Promise<Transaction[]> =>
  (await get<Page<Transaction>>("/transactions", { twin, limit: 3 }, signal)).items;
export const actTogether = (transaction: string, verb: "cancel" | "approve"): Promise<Transaction> =>
  send("POST", `/transactions/${encodeURIComponent(transaction)}/${verb}`, {});
export const readGoals = (twin: string, signal?: AbortSignal): Promise<Goal[]> => get(`${twinPath(twin)}/goals`, {}, signal);
export const aim = (twin: string, goal: string, value: number): Promise<GoalRun> =>
  send("PUT", `${twinPath(twin)}/goals/${encodeURIComponent(goal)}`, { value });
export const stopRun = (run: string): Promise<GoalRun> => send("POST", `/goals/${encodeURIComponent(run)}/cancel`, {});
export const take = (twin: string, force = ""): Promise<Control> => send("PUT", `${twinPath(twin)}/control`, { force });
export const release = (twin: string): Promise<null> => send("DELETE", `${twinPath(twin)}/control`);
export const readPeople = (twin: string, signal?: AbortSignal): Promise<Person[]> => get(`${twinPath(twin)}/control/people`, {}, signal);
export const handOver = (twin: string, to: string): Promise<Control> => send("POST", `${twinPath(twin)}/control/hand-over`, { to });
