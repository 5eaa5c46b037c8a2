/** The shapes of docs/reference/http.md, as far as the screens use them. Times over HTTP are RFC 3339 text. */

export type Kind = "number" | "integer" | "boolean" | "text" | "enumeration" | "array" | "object" | "condition";
export type QualityName = "good" | "uncertain" | "bad" | "unavailable";
/** By the number that the live socket sends. */
export const QUALITIES: readonly QualityName[] = ["good", "uncertain", "bad", "unavailable"];

export interface PropertyType {
  name: string;
  kind: Kind;
  unit: string;
  title: string;
  description: string;
  minimum: number | null;
  maximum: number | null;
  normal: [number, number] | null;
  values: string[];
  semantic_id: string;
  freshness: { mode: "samples" | "changes"; within_s: number } | null;
  writable: boolean;
  computed?: Computed | null;
  headline: boolean;
  aliases: string[];
  deprecated: string;
  generation: number;
}

/** How a property is computed: an expression, or a function and what it is given. */
export interface Computed {
  expression?: string;
  function?: string;
  inputs?: string[];
}

/** One input of a computed value, as it was then. */
export interface Origin {
  twin: string;
  property: string;
  value: unknown;
  unit: string;
  time: string | null;
  quality: QualityName;
  corrected: boolean;
  computed: boolean;
}

export interface Lineage {
  expression: string;
  function: string;
  reads: string[];
  version: number;
  computed_at: string;
  redone: boolean;
  inputs: Origin[];
  hidden: boolean;
}

export interface CommandType {
  name: string;
  title: string;
  description: string;
  input: PropertyType[];
  optional?: string[];
  output: PropertyType[];
  deprecated?: string;
}

export interface TwinType {
  id: string;
  version: number;
  title: string;
  description: string;
  purpose: string;
  semantic_id: string;
  properties: PropertyType[];
  commands: CommandType[];
  events: { name: string; title: string; description: string; fields: PropertyType[]; severity: string }[];
  slots: { name: string; type: string; title: string; minimum: number; maximum: number | null }[];
  goals?: GoalType[];
  /** An SVG with places for live values. */
  picture?: string;
  /** From what its key figures are told. */
  effectiveness?: Record<string, unknown> | null;
}

export interface GoalType {
  name: string;
  title?: string;
  description?: string;
  unit?: string;
}

export interface Link {
  kind: string;
  source: string;
  target: string;
  slot: string;
}

export interface Twin {
  id: string;
  name: string;
  description: string;
  types: string[];
  serial: string;
  stage: string;
  /** Nothing of it is built yet: it must not be called a twin. */
  design_model: boolean;
  aliases: string[];
  attributes: Record<string, unknown>;
  revision: number;
  links?: Link[];
}

export interface Part {
  id: string;
  name: string;
  types: string[];
  slot: string;
  stage: string;
  parts: Part[];
}

export interface Condition {
  level: "warning" | "fault";
  code?: string;
  severity?: string;
  qualifier?: string;
  text?: string;
  since?: string;
}

export interface Series {
  start: string;
  /** Of numbers: what held when the range began; `time` in µs. */
  before?: { time: number; value: number | null } | null;
  unit: string;
  method: string;
  resolution_s: number | null;
  columns: {
    /** Of readings and buckets, µs. */
    time?: number[];
    /** Of states (texts, enumerations, booleans, conditions), µs. */
    start?: number[];
    end?: number[];
    value?: unknown[];
    min?: (number | null)[];
    max?: (number | null)[];
    mean?: (number | null)[];
    last?: unknown[];
  };
  gaps: [number, number][];
}

export interface HappenedEvent {
  position: number;
  time: string | number;
  twin: string;
  kind: string;
  body: Record<string, unknown>;
}

export interface Connector {
  id: string;
  kind: string;
  title: string;
  enabled: boolean;
  settings: Record<string, unknown>;
  bindings: { address: string; twin: string; property: string }[];
  health: {
    state: string;
    rate: number | null;
    lag_s: number | null;
    errors: number | null;
    last_seen: string | null;
    detail: string;
    last_error?: string;
  } | null;
}

export interface Credential {
  id: string;
  kind: "secret" | "certificate" | "pinned";
  serial: string;
  created: string;
  ends: string | null;
  used: string | null;
  revoked: string | null;
  good: boolean;
}

export interface Device {
  id: string;
  twins: string[];
  state: "waiting" | "active" | "lapsed" | "revoked";
  last_seen: string | null;
  claim_ends: string | null;
  certificate_ends: string | null;
  certificate_days: number | null;
  refused: number;
  source: string;
  credentials: Credential[] | null;
}

/** A device and its claim code, which is told once. */
export interface Invited extends Device {
  code: string;
  code_ends: string;
}

export interface Enrolled {
  new: number;
  same: number;
  refused: number;
  rows: { line: number; id: string; twins: string[]; outcome: "new" | "same" | "refused"; creates: string; problem: string; code: string }[];
}

export interface Diagnosis {
  level: "ok" | "warn" | "bad";
  checks: { part: string; level: "ok" | "warn" | "bad"; told: string; way_out: string; since: string | null }[];
}

/** One that is installed besides, and how it stands. */
export interface Plugin {
  group: string;
  name: string;
  distribution: string;
  version: string;
  standing: "ready" | "apart" | "missing" | "failed" | "not named" | "taken";
  reason: string;
}

/** Bytes. */
export interface Room {
  used: number;
  left: number;
  /** Of what is used: contents of documents, imported files and software. */
  documents: number;
  types: { type: string; rows: number; bytes: number; budget: number | null }[];
  forecast: {
    bytes_per_day: number | null;
    days: number | null;
    least_days: number | null;
    most_days: number | null;
  };
}

export interface Site {
  name: string;
  time_zone: string;
  version: string;
  position: number;
  demo: boolean;
  now: string;
}

export type Role = "viewer" | "operator" | "engineer" | "administrator";

export interface Me {
  id: string;
  name: string;
  roles: Role[];
  demo: boolean;
  kind: "user" | "token" | "device" | "demo";
  party: string;
  second_factor: boolean;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Backup {
  id: string;
  made: string;
  position: number;
  /** The moment that it brings back. */
  recorded: string | null;
  gemel: string;
  size: number;
  secrets: boolean;
  log: boolean;
  seconds: number;
}

export interface Backups {
  to: string;
  every: string;
  next: string | null;
  running: "" | "create" | "drill";
  part: number;
  last_backup: string | null;
  last_position: number | null;
  last_drill: string | null;
  last_drill_ok: boolean | null;
  error: string;
  logged: number | null;
  items: Backup[];
}

export interface Drill {
  backup: string;
  position: number;
  ok: boolean;
  seconds: number;
  reason?: string;
  blocks?: number;
  answers?: { group: string; asked: number; equal: number; skipped: number; difference?: string }[];
}

/** What was not accepted, as it came. */
export interface Quarantined {
  id: number;
  source: string;
  received: string;
  code: string;
  detail: string;
  twin: string;
  property: string;
  /** Of `raw` and `message` nothing can be handed in again. */
  form: "reading" | "readings" | "frame" | "event" | "raw" | "message";
  payload: unknown;
  count: number;
}
