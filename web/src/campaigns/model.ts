/** Software and campaigns as the interface tells them. */

import { get, itemsOf, post } from "../api/http";
import type { Page } from "../api/model";

export interface Version {
  version: string;
  notes: string;
  withdrawn: string;
}
export interface Software {
  part: string;
  title: string;
  versions: Version[];
}
export type SoftwareState = "ok" | "behind" | "forbidden" | "unknown" | "free";
export interface Standing {
  module: { twin: string; slot: string; part: string; version: string; since: string | null };
  state: SoftwareState;
  required: string[];
  reasons: string[];
  told: string | null;
  fresh: boolean | null;
  works: boolean | null;
}
export interface Installed {
  machine: { item: string; part: string; serial: string; lot: string; twin: string };
  worst: SoftwareState;
  software: Standing[];
}

export interface GroupSpec {
  name: string;
  share: string;
  success: string;
  errors: string;
}
export interface Draft {
  part: string;
  version: string;
  title: string;
  selection: { versions: string; machines: { part: string; versions: string }[]; effectivity: { serials: string[] }; twins: string[] };
  groups: GroupSpec[];
  approval: boolean;
  start: string | null;
  at_once: number;
  deadline_s: number;
  settle_s: number;
}
export interface Verdict {
  machine: string;
  serial: string;
  twin: string;
  slot: string;
  installed: string;
  chances: "eligible" | "in_sync" | "blocked";
  group: string;
  objections: { rule: string; text: string }[];
  waits: string[];
  unsafe: string[];
}
export interface Preview {
  counts: Record<Verdict["chances"], number>;
  groups: Record<string, number>;
  machines: Verdict[];
  withheld: number;
}
export type CampaignState = "draft" | "waiting" | "scheduled" | "running" | "paused" | "stopped" | "rolling_back" | "rolled_back" | "finished";
export interface Campaign {
  id: string;
  title: string;
  part: string;
  version: string;
  actor: string;
  created: string;
  start: string | null;
  approval: string;
  state: CampaignState;
  group: number;
  reason: string;
  detail: string;
  at_once: number;
  deadline_s: number;
  settle_s: number;
  groups: GroupSpec[];
  selection: Draft["selection"];
  steps: { state: string; time: string; actor: string; detail: string }[];
  signed: { actor: string; time: string; sha256: string } | null;
}
export interface GroupStanding {
  name: string;
  success: string;
  errors: string;
  state: "waiting" | "running" | "done" | "failed";
  counts: Record<string, number>;
}
export interface Overview {
  campaign: Campaign;
  groups: GroupStanding[];
}
export interface Target {
  ordinal: number;
  group: number;
  machine: string;
  twin: string;
  slot: string;
  before: string;
  state: string;
  reason: string;
  detail: string;
  order: string;
  proof: { version: string; time: string; position: number; works: boolean | null } | null;
}

/** What was asked for, as it is asked again: of a draft, to try it on the machines as they are now. */
export const draftOf = ({ part, version, title, selection, groups, approval, start, at_once, deadline_s, settle_s }: Campaign): Draft => ({
  part,
  version,
  title,
  selection,
  groups: groups.map(({ name, share, success, errors }) => ({ name, share, success, errors })),
  approval: approval !== "",
  start,
  at_once,
  deadline_s,
  settle_s,
});

const path = (id: string): string => `/campaigns/${encodeURIComponent(id)}`;

export const readSoftware = (signal?: AbortSignal): Promise<Software[]> => get("/software", {}, signal);
export const readCampaigns = async (signal?: AbortSignal): Promise<Overview[]> => itemsOf(await get<Page<Overview>>("/campaigns", { limit: 200 }, signal));
export const readCampaign = (id: string, signal?: AbortSignal): Promise<Overview> => get(path(id), {}, signal);
export const readTargets = async (id: string, signal?: AbortSignal): Promise<Target[]> => itemsOf(await get<Page<Target>>(`${path(id)}/targets`, { limit: 1000 }, signal));
export const readInstalled = async (part: string, signal?: AbortSignal): Promise<Installed[]> => itemsOf(await get<Page<Installed>>("/installed", { part, limit: 1000 }, signal));
export const previewOf = (draft: Draft): Promise<Preview> => post("/campaigns/preview", draft);
export const create = (draft: Draft): Promise<Overview> => post("/campaigns", draft);
export const act = (id: string, verb: string, body: unknown = undefined): Promise<Overview> => post(`${path(id)}/${verb}`, body);

/** The states of machines in the order in which a bar shows them, and how each is coloured. */
export const ORDER = ["succeeded", "rolled_back", "updating", "rolling_back", "pending", "unknown", "failed", "not_rolled_back", "skipped", "cancelled"] as const;
export const BAD: ReadonlySet<string> = new Set(["failed", "not_rolled_back", "forbidden", "blocked"]);
export const DOUBTFUL: ReadonlySet<string> = new Set(["unknown", "behind", "paused"]);

export function totalOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0);
}

/** All groups of a campaign together. */
export function together(groups: readonly GroupStanding[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const group of groups) for (const [state, count] of Object.entries(group.counts)) found[state] = (found[state] ?? 0) + count;
  return found;
}

/** What somebody may do with a campaign in this state, in the order of the buttons. */
export function verbsOf({ state, signed, approval, actor }: Pick<Campaign, "state" | "signed" | "approval" | "actor">, failed: number, me: string): string[] {
  if (signed) return [];
  const may: Partial<Record<CampaignState, string[]>> = {
    draft: ["start", "stop"],
    waiting: approval === "needed" ? ["approve", "stop"] : ["stop"],
    scheduled: ["pause", "stop"],
    running: ["pause", ...(failed ? ["retry"] : []), "rollback", "stop"],
    paused: ["resume", ...(failed ? ["retry"] : []), "rollback", "stop"],
    stopped: ["rollback", "sign-off"],
    finished: [...(failed ? ["retry"] : []), "rollback", "sign-off"],
    rolling_back: ["stop"],
    rolled_back: ["sign-off"],
  };
  const theirs = actor !== me && approval !== me && ["scheduled", "running", "paused"].includes(state);
  return [...(may[state] ?? []), ...(theirs ? ["take-over"] : [])];
}

export const usualGroups = (): GroupSpec[] => [
  { name: "first", share: "1", success: "100%", errors: "1" },
  { name: "rest", share: "", success: "90%", errors: "10%" },
];
