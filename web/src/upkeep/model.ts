/** How the fleet's configurations are kept up: promises, snapshots, events that become acts, attached sources; their shapes and calls. */

import { get, post, remove, send } from "../api/http";
import type { Page } from "../api/model";
import { itemPath, type Difference, type Item, type Node, type SlotState } from "../configuration/model";
import type { Snapshot as Taken, Standing } from "../configuration/upkeep";

const DAY_MS = 86_400_000;

export interface Snapshot extends Taken {
  root: string;
  known: string;
  every: string;
  actor: string;
}

/** Which event becomes which operation. */
export interface Translation {
  id: string;
  event: string;
  operation: Record<string, unknown>;
  kind?: string;
  types?: string[];
  enabled?: boolean;
  /** In microseconds: what happened before stays as it was. */
  since?: number;
  make?: boolean;
}

/** An event of which no operation came. */
export interface Refusal {
  number: number;
  translation: string;
  twin: string;
  time: string;
  fields: Record<string, unknown>;
  reason: string;
  state: "open" | "done" | "discarded";
}

export const COLUMNS = ["item", "part", "parent", "slot", "revision", "maker", "serial", "lot", "kind", "since", "until", "recorded"] as const;
export type Column = (typeof COLUMNS)[number];
export const KINDS = ["parquet", "csv", "sqlite", "postgres"] as const;

export interface Source {
  id: string;
  kind: (typeof KINDS)[number];
  columns: Partial<Record<Column, string>>;
  path?: string;
  table?: string;
  /** The name of a file below the secrets. */
  secret?: string;
  moves?: boolean;
  machines?: "lines" | "parents";
  part_of_machines?: string;
}

/** A source, and whether it answers; how it is declared is told to engineers. */
export interface Attached {
  id: string;
  kind: Source["kind"];
  lines: number;
  error: string;
  source: Source | null;
}

export const readPromises = (query: { broken?: boolean; q?: string }, cursor: string | null, signal?: AbortSignal): Promise<Page<Standing>> =>
  get("/upkeep", { ...query, limit: 50, cursor }, signal);
export const promise = (item: string, body: { within_days: number; every: string }): Promise<unknown> => send("PUT", `${itemPath(item)}/upkeep`, body);
export const readSlots = async (item: string, signal?: AbortSignal): Promise<SlotState[]> => (await get<{ slots: SlotState[] }>(`${itemPath(item)}/completeness`, {}, signal)).slots;

export const readSnapshots = (item: string, signal?: AbortSignal): Promise<Snapshot[]> => get(`${itemPath(item)}/snapshots`, {}, signal);
export const takeSnapshot = (item: string, title: string): Promise<Snapshot> => post(`${itemPath(item)}/snapshots`, { title });
/** `to`: another snapshot; left out: now. */
export const readDifference = (number: number, to: number | null, signal?: AbortSignal): Promise<Difference[]> => get(`/snapshots/${number}/difference`, { to }, signal);

const translationPath = (id: string): string => `/translations/${encodeURIComponent(id)}`;
export const readTranslations = (signal?: AbortSignal): Promise<Translation[]> => get("/translations", {}, signal);
export const declare = (told: Translation): Promise<Translation> => send("PUT", translationPath(told.id), told);
export const removeTranslation = (id: string): Promise<null> => remove(translationPath(id));
export const attempt = (translation: Translation, twin: string, fields: Record<string, unknown>): Promise<Record<string, unknown>[]> => post("/translations/try", { translation, twin, fields });
export const readRefusals = (state: string, cursor: string | null, signal?: AbortSignal): Promise<Page<Refusal>> => get("/refusals", { state, limit: 50, cursor }, signal);
export const endRefusal = (number: number, how: "retry" | "discard"): Promise<Refusal> => send("POST", `/refusals/${number}/${how}`);

const sourcePath = (id: string): string => `/sources/${encodeURIComponent(id)}`;
export const readSources = (signal?: AbortSignal): Promise<Attached[]> => get("/sources", {}, signal);
export const attach = (told: Source): Promise<Attached> => send("PUT", sourcePath(told.id), told);
export const removeSource = (id: string): Promise<null> => remove(sourcePath(id));
export const readMachines = (id: string, q: string, signal?: AbortSignal): Promise<Item[]> => get(`${sourcePath(id)}/machines`, { q }, signal);
export const readSourceTree = (id: string, root: string, signal?: AbortSignal): Promise<Node> => get(`${sourcePath(id)}/tree`, { root }, signal);

/** The slots by which a promise is broken: those never confirmed, then those too long ago; and those that have to be. */
export function behind(slots: readonly SlotState[], within_days: number, now: number): SlotState[] {
  const counted = slots.filter((one) => one.confirmed !== null || one.mandatory || one.safety || one.holding === "differs");
  const late = counted.filter((one) => one.confirmed === null || now - Date.parse(one.confirmed) > within_days * DAY_MS);
  return late.sort((a, b) => (a.confirmed ?? "").localeCompare(b.confirmed ?? ""));
}

/** What may be written for `$name`: of every event, and of those that a translation mentions itself. */
export const GIVEN = ["item", "twin", "time"] as const;

/** The fields of an event that an operation asks for, in order, without what every event has. */
export function asks(operation: unknown): string[] {
  const found = new Set<string>();
  const look = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(look);
    else if (value !== null && typeof value === "object") Object.values(value).forEach(look);
    else if (typeof value === "string" && value.startsWith("$")) found.add(value.slice(1));
  };
  look(operation);
  return [...found].filter((name) => !(GIVEN as readonly string[]).includes(name));
}

/** An operation to begin with: most of what events tell. */
export const BEGINNINGS: readonly Record<string, unknown>[] = [
  { do: "swap", parent: "$item", slot: "$position", new: { part: "PART", serial: "$new" } },
  { do: "install", child: { part: "PART", serial: "$serial" }, parent: "$item", slot: "$position" },
  { do: "remove", child: { part: "PART", serial: "$serial" } },
  { do: "modify", child: "$item", name: "revision", value: "$revision" },
  { do: "observe", parent: "$item", slot: "$position", saw: "item", part: "PART", serial: "$serial" },
  { do: "use", item: "$item", kind: "hours", start: "$start", end: "$end", amount: "$hours" },
];

/** Without what is empty: as a source is declared. */
export function declared({ id, kind, columns, path, table, secret, moves, machines, part_of_machines }: Required<Source>): Source {
  const told = Object.fromEntries(COLUMNS.map((name) => [name, (columns[name] ?? "").trim()]).filter(([, value]) => value));
  const base: Source = { id: id.trim(), kind, columns: told };
  if (kind === "postgres") Object.assign(base, { table: table.trim(), secret: secret.trim() });
  else base.path = path.trim();
  if (kind === "sqlite") base.table = table.trim();
  if (moves) base.moves = true;
  if (machines === "parents") Object.assign(base, { machines, ...(part_of_machines.trim() ? { part_of_machines: part_of_machines.trim() } : {}) });
  return base;
}

/** Where it lies, in one line. */
export const placeOf = ({ path, table, secret }: Source): string => [path, table, secret && `secret:${secret}`].filter(Boolean).join(" · ");

/** Without what is empty, at any depth. */
export function filled(value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  const inner = Object.entries(value).map(([name, one]) => [name, filled(one)] as const);
  return Object.fromEntries(inner.filter(([, one]) => one !== null && one !== "" && !(typeof one === "object" && Object.keys(one as object).length === 0)));
}
