/** Effectiveness as the interface tells it, and how screens cut it. */

import { get } from "../api/http";
import type { Page } from "../api/model";
import { rfc3339 } from "../app/times";
import { spanOf } from "../app/range";
import type { Cost } from "../work/model";

export const STATES = ["producing", "set_up", "idle", "down", "repair", "maintenance", "planned_stop", "unknown"] as const;
export type State = (typeof STATES)[number];
export const FACTORS = ["availability", "effectiveness", "quality_ratio"] as const;
export const KPIS = [
  "oee",
  ...FACTORS,
  "nee",
  "utilisation_efficiency",
  "allocation_efficiency",
  "technical_effectiveness",
  "setup_ratio",
  "corrective_maintenance_ratio",
] as const;
export type Kpi = (typeof KPIS)[number];
export const DURATIONS = ["mtbf_iso22400_s", "mttf_iso22400_s", "mttr_iso22400_s", "mean_operating_s_per_failure", "mean_down_s_per_failure"] as const;

export interface Loss {
  name: string;
  seconds: number;
  kind: "total" | "loss";
}
export interface Missing {
  what: string;
  text: string;
}
export type Figures = Record<Kpi, number | null> &
  Record<(typeof DURATIONS)[number], number | null> & {
    availability_at_least: number | null;
    availability_at_most: number | null;
    failures: number;
    seconds: Record<State, number>;
    unplanned: Record<State, number>;
    planned_busy_s: number | null;
    known_share: number | null;
    parts: number | null;
    good: number | null;
    parts_outside: number;
    parts_unknown: number;
    losses: Loss[];
    missing: Missing[];
    warnings: string[];
  };
export interface StateSpan {
  start: string;
  end: string;
  state: State;
  planned: boolean;
}
export interface Declared {
  type: string;
  version: number;
  assumed: string;
  notes: string[];
}
export interface Bucket {
  start: string;
  end: string;
  label: string;
  figures: Figures;
  cost: Cost | null;
}
export interface Stay {
  start: string;
  end: string;
  root: string;
  path: string[];
  twin: string;
  figures: Figures | null;
  why: string;
  cost: Cost | null;
}
export interface Report {
  twin: string;
  item: string;
  start: string;
  end: string;
  zone: string;
  by: string;
  declared: Declared[];
  total: Figures;
  /** Of its downtime; null: what it costs is not told to who asks. So everywhere. */
  cost: Cost | null;
  buckets: Bucket[];
  stays: Stay[];
  states: StateSpan[];
  resolution_s: number;
}
export interface Machine {
  twin: string;
  name: string;
  declared: Declared[];
  figures: Figures;
  cost: Cost | null;
}
export interface Group {
  label: string;
  machines: string[];
  hours: number;
  spells: number;
  figures: Figures;
  cost: Cost | null;
  mean: number | null;
  mean_hours: number;
  difference: number | null;
  mean_difference: number | null;
  paired: { machines: number; difference: number | null } | null;
  warnings: string[];
}
export interface Compared {
  by: string;
  target: Kpi;
  property: string;
  unit: string;
  reference: string;
  groups: Group[];
  declared: Declared[];
  left_out: Record<string, string>;
  warnings: string[];
}

/** What is asked about: the twin of a machine, or an item in whatever machine it was. */
export interface Subject {
  twin?: string;
  item?: string;
}
const pathOf = ({ twin, item }: Subject): string =>
  item ? `/items/${encodeURIComponent(item)}/effectiveness` : `/twins/${encodeURIComponent(twin ?? "")}/effectiveness`;

export const hrefOf = (twin: string): string => `/effectiveness/${encodeURIComponent(twin)}`;

export const PRESETS = ["24h", "7d", "30d"] as const;
export const BUCKETS = ["hour", "shift", "day", "week"] as const;

export interface Span {
  start: number;
  end: number;
}
/** `last=7d`, or `from` and `to`, in milliseconds. */
export function spanAsked(query: URLSearchParams, now: number): Span {
  const [from, to] = [Date.parse(query.get("from") ?? ""), Date.parse(query.get("to") ?? "")];
  if (to > from) return { start: from, end: to };
  return { start: now - (spanOf(query.get("last") ?? "") ?? spanOf("7d")!), end: now };
}
/** Buckets that a screen can show of so long a time. */
export function bucketOf({ start, end }: Span, asked: string | null): string {
  if (asked && (BUCKETS as readonly string[]).includes(asked)) return asked;
  const days = (end - start) / 86_400_000;
  return days <= 2 ? "hour" : days <= 60 ? "day" : "week";
}

const times = ({ start, end }: Span): Record<string, string> => ({ start: rfc3339(start), end: rfc3339(end) });

export const readReport = (of: Subject, span: Span, by: string, signal: AbortSignal): Promise<Report> => get(pathOf(of), { ...times(span), by }, signal);
export const readMachines = (span: Span, cursor: string, signal?: AbortSignal): Promise<Page<Machine>> =>
  get("/effectiveness", { ...times(span), limit: 20, cursor: cursor || null }, signal);

export interface Comparison {
  how: "slot" | "part" | "setting";
  what: string;
  target: Kpi;
  mean: string;
}
export function readCompared({ how, what, target, mean }: Comparison, span: Span, signal: AbortSignal): Promise<Compared> {
  const shared = { ...times(span), target, property: mean || null };
  return how === "setting"
    ? get("/effectiveness/settings", { ...shared, setting: what }, signal)
    : get("/effectiveness/configurations", { ...shared, [how]: what }, signal);
}

/** One bar of the way from planned busy time down to effective time, in shares of the first. */
export interface Step {
  name: string;
  seconds: number;
  kind: "total" | "loss";
  from: number;
  to: number;
}
/** The steps from the planned busy time on (of all known time where nothing is planned); before that, what was taken off. */
export function waterfall(losses: readonly Loss[]): { before: Loss[]; steps: Step[] } {
  const first = Math.max(0, losses.findIndex((one) => one.name === "planned_busy"));
  const base = losses[first]?.name === "planned_busy" ? losses[first]!.seconds : (losses[0]?.seconds ?? 0);
  if (base <= 0) return { before: [...losses.slice(0, first)], steps: [] };
  let left = base;
  const steps = losses.slice(first).map((one): Step => {
    if (one.kind === "total") {
      left = one.seconds;
      return { ...one, from: 0, to: share(one.seconds, base) };
    }
    const above = left;
    left -= one.seconds;
    const [low, high] = [Math.min(left, above), Math.max(left, above)];
    return { ...one, from: share(low, base), to: share(high, base) };
  });
  return { before: losses.slice(0, first), steps: steps.filter((one) => one.kind === "total" || Math.abs(one.seconds) >= 1) };
}
const share = (part: number, whole: number): number => Math.min(1, Math.max(0, part / whole));

/** SVG paths of a bar of time, one for each state: rectangles of height 1 in a box of `width`. */
export function barPaths(states: readonly StateSpan[], { start, end }: Span, width = 1000): Map<State, string> {
  const found = new Map<State, string>();
  const x = (moment: string): number => ((Date.parse(moment) - start) / (end - start)) * width;
  for (const one of states) {
    const [from, to] = [Math.max(0, x(one.start)), Math.min(width, x(one.end))];
    if (to <= from) continue;
    found.set(one.state, `${found.get(one.state) ?? ""}M${from.toFixed(2)} 0H${to.toFixed(2)}V1H${from.toFixed(2)}Z`);
  }
  return found;
}
/** The state at a place of the bar, from 0 to 1. */
export function stateAt(states: readonly StateSpan[], { start, end }: Span, place: number): StateSpan | undefined {
  const at = start + place * (end - start);
  return states.find((one) => Date.parse(one.start) <= at && at < Date.parse(one.end));
}

/** Planned time by state as shares, the ones that there are. */
export function sharesOf(seconds: Record<State, number>): { state: State; seconds: number; share: number }[] {
  const whole = STATES.reduce((sum, state) => sum + seconds[state], 0);
  return STATES.filter((state) => seconds[state] > 0).map((state) => ({ state, seconds: seconds[state], share: seconds[state] / whole }));
}
