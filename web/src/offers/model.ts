/** Offers, capabilities and prospects as the interface tells them. */

import { get, itemsOf, post } from "../api/http";
import type { Page } from "../api/model";

export type Level = "allow" | "warn" | "concession" | "block";
export type Per = "once" | "month" | "year" | "use";
export interface Price {
  amount: string;
  currency: string;
  what: string;
  part: string;
  revision: string;
  per: Per;
  quantity: number;
}
export type Total = Pick<Price, "amount" | "currency" | "per">;
export interface ServicePlan {
  id: string;
  title: string;
  months: number;
  terms: string;
  prices: Price[];
}
export interface Model {
  part: string;
  maker: string;
  title: string;
  types: string[];
  prices: Price[];
  plans: ServicePlan[];
  capabilities: string[];
}
export interface Choice {
  path: string[];
  part: string;
  maker: string;
  revision: string;
  quantity: number;
}
export interface Option {
  part: string;
  maker: string;
  name: string;
  fits: boolean | null;
  revisions: { revision: string; fits: boolean | null; level: Level; why: string[] }[];
  prices: Price[];
}
export interface Slot {
  path: string[];
  name: string;
  holder: string;
  kind: string;
  count: number;
  mandatory: boolean;
  safety: boolean;
  free: boolean;
  chosen: Choice[];
  options: Option[];
}
export interface Found {
  path: string[];
  rule: string;
  level: Level;
  text: string;
  nearest: Choice[][];
}
export interface Configured {
  part: string;
  name: string;
  selection: Choice[];
  slots: Slot[];
  findings: Found[];
  missing: string[][];
  complete: boolean;
  level: Level;
  prices: Price[];
  totals: Total[];
  unpriced: string[];
}
export interface Asked {
  part: string;
  maker: string;
  serial: string;
  at: string | null;
  selection: Choice[];
  plan: string;
  fill: boolean;
}
export interface Terms {
  asked: Asked;
  title: string;
  party: string;
  capabilities: string[];
}
export type OfferState = "draft" | "ordered" | "built" | "delivered" | "cancelled";
export interface Line {
  path: string[];
  match: "as_ordered" | "other_revision" | "other_part" | "missing" | "not_ordered";
  ordered: string;
  built: string;
  item: string;
  serial: string;
  gap: string;
}
export interface Offer {
  id: string;
  title: string;
  state: OfferState;
  part: string;
  maker: string;
  party: string;
  machine: string;
  stage: string;
  design_model: boolean;
  missing: string[];
  at: string | null;
  created: string;
  built: string | null;
  delivered: string | null;
  conceded: string;
  capabilities: string[];
  selection: Choice[];
  service: ServicePlan | null;
  prices: Price[];
  totals: Total[];
  promised: { what: string; since: string | null; until: string | null; due: string | null; standing: string }[];
  compared: { built: string | null; lines: Line[]; counts: Record<Line["match"], number>; share: number } | null;
  terms: Terms | null;
  steps: { state: string; time: string; actor: string; detail: string }[];
  withheld: string[];
}
export interface Piece {
  path: string[];
  part: string;
  revision: string;
  maker: string;
  serial: string;
}

export interface Licence {
  id: string;
  state: string;
  starts: string;
  ends: string | null;
  revoked: string | null;
  detail: string;
  reference: string;
}
export interface CapabilityStanding {
  capability: string;
  title: string;
  twin: string;
  slot: string;
  reported: string;
  unlocked: boolean | null;
  since: string | null;
  licence: Licence | null;
  unlicensed: boolean;
  objections: string[];
  prices: Price[];
}

export interface Profile {
  id: string;
  title: string;
  description: string;
  types: string[];
  criteria: { name: string; measure: string; weight: number }[];
}
export interface Scored {
  criterion: string;
  weight: number;
  value: number | boolean | null;
  unit: string;
  score: number | null;
  evidence: string;
}
export interface Ranked {
  machine: string;
  twin: string;
  name: string;
  serial: string;
  party: string;
  score: number | null;
  low: number;
  high: number;
  known: number;
  criteria: Scored[];
}
export interface Ranking {
  profile: Profile;
  machines: Ranked[];
  unsure: Ranked[];
  parties: { party: string; name: string; machines: number; unsure: number; score: number | null; total: number; reasons: string[] }[];
  left_out: number;
}

/** What could be upgraded: a part to a revision, or a piece of software to a version. */
export interface Upgrade {
  part: string;
  to: string;
  below: string;
  way: "swap" | "modify";
  kind: string;
  at_least: number;
  parts: string[];
  limit: number;
}
export interface Candidate {
  machine: string;
  twin: string;
  serial: string;
  party: string;
  item: string;
  present: string;
  used: number | null;
  /** It was used enough; null: that is not known. */
  worth: boolean | null;
  possible: boolean;
  findings: string[];
}
export interface Candidates {
  candidates: Candidate[];
  counts: Record<Fit, number>;
  unknown: number;
  left_out: number;
}
export type Fit = "offer" | "blocked" | "not_worth" | "unknown";
/** As the platform counts them. */
export const fitOf = ({ worth, possible }: Pick<Candidate, "worth" | "possible">): Fit => (worth === null ? "unknown" : !worth ? "not_worth" : possible ? "offer" : "blocked");

const path = (id: string): string => `/offers/${encodeURIComponent(id)}`;
export const offerHref = (id: string): string => `/offers/${encodeURIComponent(id)}`;

export const readModels = (signal?: AbortSignal): Promise<Model[]> => get("/offers/models", {}, signal);
export const configure = (asked: Asked): Promise<Configured> => post("/offers/configure", asked);
export const draft = (terms: Terms): Promise<Offer> => post("/offers", terms);
export const readOffers = async (signal?: AbortSignal): Promise<Offer[]> => itemsOf(await get<Page<Offer>>("/offers", { limit: 200 }, signal));
export const readOffer = (id: string, signal?: AbortSignal): Promise<Offer> => get(path(id), {}, signal);
export const act = (id: string, verb: string, body: unknown = {}): Promise<Offer> => post(`${path(id)}/${verb}`, body);
export const readCapabilities = (twin: string, signal?: AbortSignal): Promise<CapabilityStanding[]> => get(`/twins/${encodeURIComponent(twin)}/capabilities`, {}, signal);
export const license = (body: { capability: string; twin: string; ends: string | null }): Promise<Licence> => post("/licences", body);
export const ofLicence = (id: string, verb: "revoke" | "retry", body: unknown = null): Promise<Licence> => post(`/licences/${encodeURIComponent(id)}/${verb}`, body);
export const readProfiles = (signal?: AbortSignal): Promise<Profile[]> => get("/prospects/profiles", {}, signal);
export const readRanking = (profile: string, signal?: AbortSignal): Promise<Ranking> => get(`/prospects/profiles/${encodeURIComponent(profile)}/ranking`, {}, signal);
export const readUpgrades = (asked: Upgrade): Promise<Candidates> => post("/prospects/upgrades", asked);

export const same = (one: readonly string[], other: readonly string[]): boolean => one.length === other.length && one.every((step, at) => step === other[at]);

/** A choice with one slot holding something else: what was chosen inside of what it held goes with it; an empty part empties it. */
export function choose(selection: readonly Choice[], choice: Choice): Choice[] {
  const rest = selection.filter((one) => !same(one.path.slice(0, choice.path.length), choice.path));
  return choice.part ? [...rest, choice] : rest;
}

/** Each slot before those of what it holds. */
export function nested(slots: readonly Slot[], above: readonly string[] = []): Slot[] {
  const mine = slots.filter(({ path }) => path.length === above.length + 1 && same(path.slice(0, -1), above));
  return mine.flatMap((slot) => [slot, ...nested(slots, slot.path)]);
}

/** "CP-40 C" */
export const named = ({ part, revision }: Pick<Choice, "part" | "revision">): string => `${part} ${revision}`.trim();

/** What is to be recorded of a machine that was ordered: a row for each piece. */
export const piecesOf = (selection: readonly Choice[]): Piece[] => selection.map(({ path, part, revision, maker }) => ({ path, part, revision, maker, serial: "" }));
