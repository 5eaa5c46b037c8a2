/** An event of the platform as a line of text and a mark. */

import type { Condition, HappenedEvent } from "../api/model";
import { toMs } from "../format/time";
import { humanise, titleOf } from "../format/words";
import type { Activation } from "./conditions";
import { twinHref, typeHref } from "./hrefs";
import { conditionTold } from "./told";

export interface Happening {
  key: string;
  /** ms */
  time: number;
  twin: string;
  kind: string;
  level: "fault" | "warning" | null;
  title: string;
  text: string;
  /** Where what it is about can be seen; empty when it has no page. */
  href: string;
}

/** Kinds of change of the plant itself: their title says enough. */
const KEEPING = /^(twin|link|type|connector|plant|site|access|history)\./;
const HIDDEN = new Set(["property", "event", "level", "severity", "code", "text", "since", "title", "fields", "conditions", "twin"]);

export function happening(event: HappenedEvent): Happening {
  const body = event.body ?? {};
  const conditions = Array.isArray(body.conditions) ? body.conditions : Array.isArray(body.value) ? body.value : [];
  const first = (conditions[0] ?? body) as Record<string, unknown>;
  const level = String(first.level ?? first.severity ?? body.severity ?? "").toLowerCase();
  const fields = (body.fields ?? {}) as Record<string, unknown>;
  const rest = Object.entries({ ...body, ...fields }).filter(([key, value]) => !HIDDEN.has(key) && plain(value));
  const about = body.property ?? body.event;
  return {
    key: `${event.position}-${event.twin}-${event.kind}-${String(about ?? "")}`,
    time: toMs(event.time) ?? 0,
    twin: event.twin,
    kind: event.kind,
    level: level === "fault" || level === "warning" ? level : null,
    title: humanise(about ? String(about) : event.kind.replace(/^\w+\./, (area) => area.replace(".", " "))),
    text: KEEPING.test(event.kind) ? "" : [...[first.code, first.text].filter(Boolean), ...rest.map(([key, value]) => `${humanise(key)}: ${String(value)}`)].join(" · "),
    href: hrefOf(event),
  };
}

function hrefOf({ kind, twin }: HappenedEvent): string {
  if (/^(connector|source)\./.test(kind)) return "/connectors";
  if (kind.startsWith("type.")) return typeHref(twin);
  return /^(plant|site|access|history)\./.test(kind) ? "" : twinHref(twin);
}

/** A condition that began, as an event. */
export function began(ref: { twin: string; property: { name: string; title: string } }, { time, condition }: Activation): Happening {
  const { level, code, text } = condition;
  const key = `${ref.twin}-${ref.property.name}-${code ?? ""}-${Math.round(time)}`;
  return { key, time, twin: ref.twin, kind: "condition", level, title: titleOf(ref.property), text: conditionTold({ level, code, text } as Condition), href: twinHref(ref.twin) };
}

/** Entries that `now` has and `before` had not. */
export function begun(before: unknown, now: unknown): Activation[] {
  const old = new Set(Array.isArray(before) ? (before as Condition[]).map((one) => `${one.level} ${one.code}`) : []);
  const list = Array.isArray(now) ? (now as Condition[]) : [];
  return list
    .filter((one) => !old.has(`${one.level} ${one.code}`))
    .map((condition) => ({ time: toMs(condition.since) ?? Date.now(), condition }));
}

/** Both lists, each event once, newest first. */
export const merged = (...lists: (readonly Happening[])[]): Happening[] =>
  [...new Map(lists.flat().map((one) => [one.key, one])).values()].sort((a, b) => b.time - a.time);

const plain = (value: unknown): boolean => ["string", "number", "boolean"].includes(typeof value) && value !== "";
