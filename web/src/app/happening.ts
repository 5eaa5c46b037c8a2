/** An event of the platform as a line of text and a mark. */

import type { HappenedEvent } from "../api/model";
import { toMs } from "../format/time";
import { humanise } from "../format/words";

export interface Happening {
  key: string;
  /** ms */
  time: number;
  twin: string;
  kind: string;
  level: "fault" | "warning" | null;
  title: string;
  text: string;
}

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
    text: [...[first.code, first.text].filter(Boolean), ...rest.map(([key, value]) => `${humanise(key)}: ${String(value)}`)].join(" · "),
  };
}

const plain = (value: unknown): boolean => ["string", "number", "boolean"].includes(typeof value) && value !== "";
