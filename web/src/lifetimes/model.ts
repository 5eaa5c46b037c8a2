/** How long items live, as the interface tells it. */

import { get } from "../api/http";

export interface Effect {
  feature: string;
  level: string;
  reference: string;
  times: number;
  low: number;
  high: number;
  items: number;
  failures: number;
}
export interface Score {
  measure: "log_likelihood" | "concordance" | "brier";
  without: number;
  with_configuration: number;
  gain: number;
  low: number;
  high: number;
}
export interface Compared {
  items: number;
  failures: number;
  horizon: number;
  scores: Score[];
}
export interface Plot {
  level: string;
  age: number[];
  seen: number[];
  low: number[];
  high: number[];
  model: number[];
  at_risk: number[];
}
export interface Brief {
  id: string;
  version: number;
  asked: { parts: string[]; counter: string; failures: { events: string[]; conditions: string[] } };
  horizon: number;
  trained: string;
  lives: number;
  failures: number;
  uses: "" | "configuration" | "no-configuration";
  why: string;
  compared: Compared | null;
}
export interface Model extends Brief {
  features: string[];
  valid: string | null;
  known: string | null;
  position: number;
  table: string;
  cut: string | null;
  shape: number | null;
  median: number | null;
  effects: Effect[];
  plots: Plot[];
}
/** Use from now on, the share alive, and its interval. */
export type Point = readonly [use: number, alive: number, low: number, high: number];
export interface Limit {
  kind: string;
  limit: number;
  hard: boolean;
  remaining: number;
  time: string | null;
  earliest: string | null;
  latest: string | null;
}
export interface Prediction {
  item: string;
  part: string;
  machine: string;
  model: string;
  version: number;
  uses: Brief["uses"];
  counter: string;
  age: number;
  at: string;
  position: number;
  more: number;
  until: string | null;
  probability: number | null;
  low: number | null;
  high: number | null;
  left: number | null;
  left_low: number | null;
  left_high: number | null;
  fails: string | null;
  fails_low: string | null;
  fails_high: string | null;
  curve: Point[];
  pace: { per_day: number; low: number; high: number; days: number } | null;
  limits: Limit[];
  failures: number | null;
  lives: number | null;
  influences: Effect[];
  why: string;
}
export interface Risk {
  item: string;
  part: string;
  revision: string;
  machine: string;
  position: string;
  age: number;
  probability: number;
  low: number;
  high: number;
  left: number;
}
export interface Risks {
  model: string;
  version: number;
  counter: string;
  more: number;
  at: string;
  position: number;
  uses: Brief["uses"];
  why: string;
  expected: number;
  total: number;
  items: Risk[];
}
export interface Band {
  low: number;
  high: number;
  predictions: number;
  predicted: number;
  observed: number | null;
  observed_low: number | null;
  observed_high: number | null;
}
export interface Calibration {
  model: string;
  predictions: number;
  open: number;
  failed: number;
  bands: Band[];
  expected: number;
  why: string;
}

const path = (id: string): string => `/lifetimes/models/${encodeURIComponent(id)}`;

export const readModels = (signal?: AbortSignal): Promise<Brief[]> => get("/lifetimes/models", {}, signal);
export const readModel = (id: string, signal?: AbortSignal): Promise<Model> => get(path(id), {}, signal);
export const readCalibration = (id: string, signal?: AbortSignal): Promise<Calibration> => get(`${path(id)}/calibration`, {}, signal);
export const readRisks = (model: string, root: string, signal?: AbortSignal): Promise<Risks> => get("/lifetimes/risks", { model, root, limit: 200 }, signal);
export const readPrediction = (item: string, model: string, signal?: AbortSignal): Promise<Prediction> => get(`/items/${encodeURIComponent(item)}/prediction`, { model }, signal);
/** Where the table can be fetched as a file, of the lives that a model was learnt from. */
export const tableHref = (model: Brief, format: string): string => {
  const query = new URLSearchParams([...model.asked.parts.map((part) => ["part", part]), ["counter", model.asked.counter], ["format", format]] as string[][]);
  for (const event of model.asked.failures.events) query.append("event", event);
  for (const condition of model.asked.failures.conditions) query.append("condition", condition);
  return `/api/v1/lifetimes/lives?${query}`;
};

/** A line through points of a box of 100 × 100, y upwards from 0 to 1; steps where it is what was seen. */
export function lineOf(x: readonly number[], y: readonly number[], most: number, { steps = false } = {}): string {
  const at = (index: number): [string, string] => [((100 * (x[index] ?? 0)) / (most || 1)).toFixed(2), (100 * (1 - (y[index] ?? 0))).toFixed(2)];
  return x.map((_, index) => {
    const [a, b] = at(index);
    return index === 0 ? `M${a} ${b}` : steps ? `H${a}V${b}` : `L${a} ${b}`;
  }).join("");
}

/** The area between two lines over the same x. */
export function bandOf(x: readonly number[], low: readonly number[], high: readonly number[], most: number): string {
  const back = [...x.keys()].reverse();
  const under = lineOf(back.map((index) => x[index] ?? 0), back.map((index) => low[index] ?? 0), most);
  return `${lineOf(x, high, most)}${under.replace("M", "L")}Z`;
}

/** Round numbers from 0 to at most `most`: 1, 2 or 5 times a power of ten apart, about four of them. */
export function roundTicks(most: number): number[] {
  if (!(most > 0)) return [0];
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? 10 * power;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
}
