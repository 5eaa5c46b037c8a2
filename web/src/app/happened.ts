/** What happened to software, items, parts and plans, in words. Pure: `tell` words them. */

import { humanise } from "../format/words";
import { TEXTS, type Key } from "../i18n/texts";

export interface Told {
  level: "warning" | null;
  title: string;
  text: string;
}
type Body = Readonly<Record<string, unknown>>;
type Tell = (key: Key, holes?: Record<string, string | number>) => string;

const TROUBLE = new Set(["update.failed", "update.doubted", "update.not_rolled_back", "campaign.stopped", "item.upkeep_broken"]);

const WORRIES = new Set(["failed", "stopped"]);

/** Null: of something else. */
export function happened(kind: string, body: Body, tell: Tell): Told | null {
  const [area, what] = kind.split(".") as [string, string];
  if (area === "update" || area === "campaign") return ofSoftware(area, what, body, tell);
  if (area === "work") return { level: WORRIES.has(what) ? "warning" : null, title: said(kind, tell), text: [body.title, body.order, body.stop, body.cause ?? body.kind].filter(Boolean).map(String).join(" · ") };
  if (!["item", "parts", "plan", "thread", "software"].includes(area)) return null;
  const level = TROUBLE.has(kind) ? "warning" : null;
  return { level, title: said(kind, tell), text: ofRecord(area, body, tell) };
}

/** An update of one machine, or what became of its campaign: which software, how far, why. */
function ofSoftware(area: "update" | "campaign", what: string, body: Body, tell: Tell): Told {
  // A campaign pauses by itself for a reason, or because somebody wants it to.
  const bad = TROUBLE.has(`${area}.${what}`) || (what === "paused" && body.reason !== "person");
  const named = `${String(body.part)} ${String(body.version)}`;
  const title = area === "campaign" ? String(body.title || named) : named;
  return { level: bad ? "warning" : null, title, text: [said(`${area}.${what}`, tell, { before: String(body.before ?? "") }), body.detail].filter(Boolean).join(": ") };
}

/** The few facts of an act that say what it is about. */
function ofRecord(area: string, body: Body, tell: Tell): string {
  const operation = (body.operation ?? {}) as Body;
  if (operation.do === "report") return [operation.slot, operation.version].filter(Boolean).join(": ");
  const spec = (operation.spec ?? {}) as Body;
  const slot = [operation.parent, operation.slot].filter(Boolean).join(" · ");
  const listed = [body.changed, body.removed, body.versions].flatMap((one) => (Array.isArray(one) ? one : []));
  const part = [spec.part, spec.revision].filter(Boolean).join(" ");
  const counted = area === "thread" && typeof body.records === "number" ? tell("happened.records", { count: body.records }) : "";
  return [slot, part, listed.join(", "), body.name, counted].filter(Boolean).join(" · ");
}

function said(kind: string, tell: Tell, holes: Record<string, string> = {}): string {
  const key = `happened.${kind}` as Key;
  return key in TEXTS ? tell(key, holes) : humanise(kind.slice(kind.indexOf(".") + 1));
}
