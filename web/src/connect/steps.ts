/** Connecting a machine: what the platform finds, and what is chosen of it. */

import type { PropertyType } from "../api/model";

export type Way = "opcua" | "mqtt" | "sparkplug" | "mtconnect";
export const WAYS: readonly Way[] = ["opcua", "mqtt", "sparkplug", "mtconnect"];
export const EXAMPLES: Record<Way, string> = {
  opcua: "opc.tcp://192.168.0.7:4840",
  mqtt: "mqtt://192.168.0.8:1883",
  sparkplug: "mqtt://192.168.0.8:1883",
  mtconnect: "http://agent.local:5000",
};
/** These are listened to; the others answer when they are asked. */
export const listens = (way: Way): boolean => way === "mqtt" || way === "sparkplug";
export const signsIn = (way: Way): boolean => way !== "mtconnect";

/** Rows that are drawn at once; search shows others. */
export const SHOWN = 200;

export type Told = Partial<PropertyType> & { name: string };

export interface Point {
  address: string;
  property: Told;
  place?: string[];
  value?: unknown;
  quality?: string;
  unit?: string;
  needs?: Record<string, unknown>;
}

export interface Found {
  kind: Way;
  name?: string;
  settings: Record<string, unknown>;
  points: Point[];
  left_out?: number;
  notes?: string[];
}

export interface Step {
  action: "create" | "change" | "remove";
  what: "site" | "type" | "twin" | "link" | "connector";
  id: string;
  fields: { field: string; before: unknown; after: unknown }[];
}

export interface Plan {
  empty: boolean;
  steps: Step[];
  text: string;
}

/** What a step says to people: the names of a type's properties, how many values a connector gets or loses, other fields by name. */
export function detailsOf({ fields }: Step): { properties: string[]; values: number; lost: number; fields: string[] } {
  const bound = fields.filter(({ field }) => field.startsWith("bindings."));
  /** Of a new connector they are counted. */
  const counted = Number(fields.find(({ field }) => field === "bindings")?.after ?? 0);
  const properties = fields.find(({ field, after }) => field === "properties" && Array.isArray(after))?.after as string[] | undefined;
  return {
    properties: properties ?? [],
    values: counted + bound.filter(({ after }) => after !== null).length,
    lost: bound.filter(({ after }) => after === null).length,
    fields: fields.map(({ field }) => field).filter((field) => field !== "properties" && !/^bindings(\.|$)/.test(field)),
  };
}

/** A point as it is shown and edited. */
export interface Row {
  point: Point;
  chosen: boolean;
  name: string;
  unit: string;
}

export const rowOf = (point: Point): Row => ({ point, chosen: true, name: point.property.name, unit: point.property.unit ?? "" });

export const pointOf = ({ point, name, unit }: Row): Point => ({ ...point, property: { ...point.property, name: name.trim(), unit: unit.trim() } });

export const measured = (row: Row): boolean => ["number", "integer", "array", undefined].includes(row.point.property.kind);

/** What a search over the rows looks at. */
export function matches(row: Row, wanted: string): boolean {
  const text = [row.name, row.point.address, ...(row.point.place ?? [])].join(" ").toLowerCase();
  return wanted
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** OilPress 7 → oil-press-7: an id that is allowed. */
export function idOf(name: string): string {
  return name
    .replace(/([a-z0-9])(?=[A-Z])/g, "$1 ")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
}

export interface Said {
  url: string;
  user: string;
  secret: "env" | "file";
  password: string;
  /** OPC UA: with certificates. */
  secure: boolean;
}

/** Where certificates lie, below the platform's secrets; ours is made when it is not there. */
const SECURITY = {
  policy: "Basic256Sha256",
  mode: "SignAndEncrypt",
  certificate: "pki/own.der",
  key: "pki/own.pem",
  generate: true,
  trust: ["pki/trusted"],
};

/** The settings of a connector, as far as they are said. */
export function settingsOf(said: Said, way: Way): Record<string, unknown> {
  const settings: Record<string, unknown> = { url: said.url.trim() };
  if (way === "opcua" && said.secure) settings["security"] = SECURITY;
  if (!signsIn(way) || !said.user.trim()) return settings;
  settings["user"] = said.user.trim();
  if (said.password.trim()) settings["password"] = { [said.secret]: said.password.trim() };
  return settings;
}

/** A sample in a line. */
export function sample(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return String(Math.abs(value) >= 1e6 || Number.isInteger(value) ? value : Number(value.toPrecision(6)));
  return typeof value === "string" ? value : JSON.stringify(value);
}
