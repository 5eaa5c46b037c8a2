/** An event of the platform as a line of text and a mark. */

import type { Condition, HappenedEvent } from "../api/model";
import type { Key } from "../i18n/texts";
import { toMs } from "../format/time";
import { humanise } from "../format/words";
import { t, tOr } from "../i18n/index.svelte";
import { happened } from "./happened";
import { deviceHref, twinHref, typeHref } from "./hrefs";
import { conditionTold } from "./told";

export interface Happening {
  key: string;
  /** ms */
  time: number;
  twin: string;
  kind: string;
  level: "fault" | "warning" | "stale" | null;
  title: string;
  text: string;
  /** Where what it is about can be seen; empty when it has no page. */
  href: string;
}

/** Kinds of change of the plant itself: their title says enough. */
const KEEPING = /^(twin|link|type|connector|device|plant|site|access|history|backup\.(made|drilled|restored))(\.|$)/;
const HIDDEN = new Set(["property", "event", "level", "severity", "code", "text", "since", "title", "fields", "twin"]);

export function happening(event: HappenedEvent): Happening {
  const body = event.body ?? {};
  const about = body.property ?? body.event;
  const line = lineOf(event.kind, body);
  return {
    ...line,
    key: `${event.position}-${event.twin}-${event.kind}-${String(about ?? "")}`,
    time: toMs(event.time) ?? 0,
    twin: event.twin,
    kind: event.kind,
    title: humanise(about ? String(about) : event.kind.replace(/^\w+\./, (area) => area.replace(".", " "))),
    href: hrefOf(event),
    ...(line.source === undefined ? {} : { title: line.source }),
  };
}

type Line = Pick<Happening, "level" | "text"> & { source?: string };

function lineOf(kind: string, body: Record<string, unknown>): Line {
  if (kind === "condition.changed") return ofCondition(body);
  if (kind in CONNECTION) return ofConnection(kind, body);
  if (kind === "value.entered") return { level: null, text: t("events.entered", { value: `${String(body.value)} ${String(body.unit)}`.trim() }) };
  if (kind.startsWith("command.")) return ofOrder(kind.slice("command.".length), body);
  if (kind.startsWith("control.")) return ofControl(kind, body);
  if (kind.startsWith("transaction.")) return ofSeveral(kind.slice("transaction.".length), body);
  if (kind.startsWith("goal.")) return ofGoal(kind.slice("goal.".length), body);
  const told = happened(kind, body, t);
  return told === null ? ofEvent(kind, body) : { level: told.level, text: told.text, source: told.title };
}

/** Who has control now. */
function ofControl(kind: string, body: Record<string, unknown>): Line {
  const nobody = kind === "control.released" || kind === "control.lapsed";
  return { level: null, text: nobody ? t("control.told.free") : t("control.told.other", { holder: String(body.holder) }) };
}

/** A step of an order: what it is to do or to be, how far it came, and why no farther. */
function ofOrder(state: string, body: Record<string, unknown>): Line {
  const wanted = "property" in body && "input" in body ? ` → ${String(body.input)}` : "";
  const told = [`${tOr("orders.state", state)}${wanted}`, body.detail].filter(Boolean).join(": ");
  return { level: FAILED.has(state) ? "warning" : null, text: told, source: humanise(String(body.property ?? body.command ?? "")) };
}

/** How far a transaction came, of which the twin is a member. */
function ofSeveral(state: string, body: Record<string, unknown>): Line {
  const told = [tOr("transactions.state", state), body.reason].filter(Boolean).join(": ");
  return { level: FAILED.has(state) ? "warning" : null, text: told, source: String(body.title ?? t("transactions.title")) };
}

/** A number for many actuators: what it is to be, and how far it came. */
function ofGoal(state: string, body: Record<string, unknown>): Line {
  const told = [`${tOr("goals.state", state)} → ${String(body.value)}`, body.detail].filter(Boolean).join(": ");
  return { level: FAILED.has(state) ? "warning" : null, text: told, source: humanise(String(body.goal ?? "")) };
}

const FAILED = new Set(["refused", "timed_out", "expired", "unknown", "partly", "compensating", "stopped"]);

function ofEvent(kind: string, body: Record<string, unknown>): Line {
  const failed = kind === "backup.failed" || (kind === "backup.drilled" && body.ok === false);
  const level = failed ? "fault" : String(body.level ?? body.severity ?? "").toLowerCase();
  const fields = (body.fields ?? {}) as Record<string, unknown>;
  const rest = Object.entries({ ...body, ...fields }).filter(([key, value]) => !HIDDEN.has(key) && plain(value));
  const told = [...[body.code, body.text].filter(Boolean), ...rest.map(([key, value]) => `${humanise(key)}: ${String(value)}`)];
  return { level: level === "fault" || level === "warning" ? level : null, text: KEEPING.test(kind) ? "" : told.join(" · ") };
}

const CONNECTION: Record<string, Key> = {
  ...{ "freshness.lost": "events.stale", "freshness.regained": "events.fresh" },
  ...{ "source.lost": "events.lost", "source.found": "events.found" },
};

function ofConnection(kind: string, body: Record<string, unknown>): Line {
  const level = kind === "freshness.lost" || kind === "source.lost" ? "stale" : null;
  return { level, text: t(CONNECTION[kind]!), source: String(body.source ?? body.reason ?? "") };
}

/** Codes that came, else those that went; of the former the worst gives the level. */
function ofCondition(body: Record<string, unknown>): Line {
  const raised = (body.raised ?? []) as Condition[];
  const cleared = (body.cleared ?? []) as Condition[];
  if (raised.length) {
    const level = raised.some((one) => one.level === "fault") ? "fault" : "warning";
    return { level, text: raised.map(conditionTold).join(", ") };
  }
  return { level: null, text: t(body.known === false ? "condition.lost" : "condition.cleared", { what: cleared.map(conditionTold).join(", ") }) };
}

/** The page of what is no twin. */
const PAGES: Record<string, string> = {
  ...{ connector: "/connectors", source: "/connectors", delivery: "/connectors", quarantine: "/quarantine", backup: "/backups" },
  ...{ parts: "/parts", software: "/software", thread: "/thread" },
  ...{ retention: "/diagnosis", storage: "/diagnosis", plant: "", site: "", access: "", history: "" },
};

function hrefOf({ kind, twin }: HappenedEvent): string {
  const page = PAGES[kind.split(".")[0]!];
  if (page !== undefined) return page;
  if (kind.startsWith("campaign.")) return `/campaigns/${encodeURIComponent(twin)}`;
  if (kind.startsWith("item.") || kind.startsWith("plan.")) return twin ? `/items/${encodeURIComponent(twin)}` : "/items";
  if (kind.startsWith("type.")) return typeHref(twin);
  if (kind.startsWith("device.")) return kind === "device.removed" ? "" : deviceHref(twin);
  return twinHref(twin);
}

/** Both lists, each event once, newest first. */
export const merged = (...lists: (readonly Happening[])[]): Happening[] =>
  [...new Map(lists.flat().map((one) => [one.key, one])).values()].sort((a, b) => b.time - a.time);

const plain = (value: unknown): boolean => ["string", "number", "boolean"].includes(typeof value) && value !== "";
