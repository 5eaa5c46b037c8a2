/** The shapes of identities, grants and what is remembered of them, as far as the screens use them. */

import type { Role } from "../api/model";

export const ROLES: readonly Role[] = ["viewer", "operator", "engineer", "administrator"];
/** What may be granted of twins. */
export const ACTIONS = ["read", "subscribe", "query", "export", "write", "command", "maintain", "configure"] as const;
/** What else somebody may be asked about, and what else is in the audit log. */
export const ALL_ACTIONS = [...ACTIONS, "operate", "administer", "sign_in"] as const;
export const GROUPS = ["identity", "configuration", "condition", "usage", "process", "quality", "location", "personal", "financial", "safety"] as const;
export type Action = (typeof ALL_ACTIONS)[number];
export type Group = (typeof GROUPS)[number];

export interface User {
  id: string;
  name: string;
  role: string;
  party: string;
  kind: "person" | "service";
  disabled: boolean;
  invited: boolean;
  second_factor: boolean;
}

export interface Party {
  id: string;
  name: string;
  disabled: boolean;
  users: number;
  grants: number;
}

/** All that is given must hold; of several names, any. */
export interface Selector {
  everything?: boolean;
  twins?: string[];
  /** With `twins`: also what is part of them, unless it is false. */
  parts?: boolean;
  types?: string[];
  linked?: string[];
  stages?: string[];
}

/** What is told of an item, beyond its part, its kind and its slot. */
export const COLUMNS = ["serials", "revisions", "makers", "software", "counters", "limits", "readings", "documents", "acts", "people", "nonconformances", "plans"] as const;
export const KINDS = ["hardware", "electrical", "software", "document", "location"] as const;

/** Of the configuration of machines: which items, and what of them. Nothing named: every item. */
export interface ItemView {
  makers?: string[];
  parts?: string[];
  kinds?: string[];
  slots?: string[];
  safety?: boolean;
  columns?: string[];
  machines?: "named" | "anonymous";
}

export interface TreeNode {
  item: { id: string; part: string; revision: string; maker: string; serial: string; withheld: string[] };
  path: string[];
  parts: TreeNode[];
}

/** What is asked for when something is granted. */
export interface Terms {
  to: string;
  actions: string[];
  selector: Selector;
  groups: string[];
  starts: string | null;
  ends: string | null;
  history: string;
  purpose: string;
  /** Then it is a view of the configuration. */
  items: ItemView | null;
}

export interface Grant extends Terms {
  id: string;
  selected: string;
  created: string;
  state: "holds" | "waiting" | "ended" | "revoked";
}

export interface Template {
  id: string;
  title: string;
  told: string;
  actions: Action[];
  groups: Group[];
  days: number | null;
  history: string;
  family: "" | "role" | "business" | "scenario" | "customer";
  items: ItemView | null;
  /** What of `items` has to be filled in. */
  asks: string[];
}

export interface PreviewProperty {
  name: string;
  title: string;
  group: Group;
}
export interface Preview {
  selected: string;
  twins: number;
  some: string[];
  unknown: string[];
  types: { id: string; title: string; twins: number; seen: PreviewProperty[]; hidden: PreviewProperty[] }[];
  /** By a view of the configuration: what it would look like. */
  trees: TreeNode[];
}

export interface Token {
  id: string;
  name: string;
  role: string;
  owner: string;
  created: string;
  expires: string | null;
  last_used: string | null;
  actions: string[];
  selector: Selector | null;
}

export interface OneTimeLink {
  address: string;
  ends: string;
}

export interface Why {
  allowed: boolean;
  group: string;
  reasons: { policy: string; told: string }[];
  needed: string[];
}

export interface Entry {
  id: number;
  time: string;
  principal: string;
  party: string;
  action: string;
  kind: string;
  resource: string;
  allowed: boolean;
  policy: string;
  detail: string;
  rows: number | null;
}

export interface Used {
  principal: string;
  party: string;
  twin: string;
  action: string;
  policy: string;
  requests: number;
  rows: number;
  last: string;
}

export interface Caller {
  principal: string;
  party: string;
  requests: number;
  failed: number;
  refused: number;
  busy_s: number;
  sent_bytes: number;
  last: string;
}
export interface Load {
  since: string;
  writing: number;
  writing_bytes: number;
  behind: number;
  queues: { name: string; waiting: number; most: number }[];
  callers: Caller[];
}

/** In days from now, as the moment that is meant; null for none. */
export const inDays = (days: number | null, now: number): string | null => (days === null ? null : new Date(now + days * 86_400_000).toISOString());

/** The same terms once more, as long as they would still hold: to undo a revocation. */
export function again({ to, actions, selector, groups, starts, ends, history, purpose, items }: Grant, now: number): Terms | null {
  if (ends !== null && Date.parse(ends) <= now) return null;
  return { to, actions, selector, groups, starts: starts !== null && Date.parse(starts) <= now ? null : starts, ends, history, purpose, items };
}
