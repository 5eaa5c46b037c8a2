import { expect, it } from "vitest";

import { barPaths, bucketOf, sharesOf, spanAsked, stateAt, waterfall, type Loss, type StateSpan } from "./model";

const HOUR = 3_600_000;
const at = (hour: number): string => new Date(hour * HOUR).toISOString();
const span = { start: 0, end: 10 * HOUR };
const states: StateSpan[] = [
  { start: at(0), end: at(4), state: "producing", planned: true },
  { start: at(4), end: at(6), state: "unknown", planned: true },
  { start: at(6), end: at(12), state: "producing", planned: false },
];

it("the bar has one path for each state, cut at its ends", () => {
  const paths = barPaths(states, span);
  expect([...paths.keys()]).toEqual(["producing", "unknown"]);
  expect(paths.get("producing")).toBe("M0.00 0H400.00V1H0.00ZM600.00 0H1000.00V1H600.00Z");
});

it("a place of the bar tells the state there, and nothing beyond", () => {
  expect(stateAt(states, span, 0.5)?.state).toBe("unknown");
  expect(stateAt(states, span, 0.999)?.planned).toBe(false);
  expect(stateAt([], span, 0.5)).toBeUndefined();
});

const loss = (name: string, seconds: number, kind: Loss["kind"] = "loss"): Loss => ({ name, seconds, kind });

it("the way down begins at the planned busy time; what was taken off before stands aside", () => {
  const { before, steps } = waterfall([
    loss("all", 100, "total"),
    loss("not_planned", 20),
    loss("planned_busy", 80, "total"),
    loss("idle", 20),
    loss("set_up", 0),
    loss("producing", 60, "total"),
    loss("speed", -10),
  ]);
  expect(before.map((one) => one.name)).toEqual(["all", "not_planned"]);
  expect(steps.map((one) => one.name)).toEqual(["planned_busy", "idle", "producing", "speed"]);
  expect(steps[1]).toMatchObject({ from: 0.75, to: 1 });
  expect(steps[3]).toMatchObject({ from: 0.75, to: 0.875 });
});

it("without planned time there is no way down", () => {
  expect(waterfall([loss("all", 100, "total"), loss("planned_busy", 0, "total")]).steps).toEqual([]);
  expect(waterfall([]).steps).toEqual([]);
});

it("without a plan all time is where it begins", () => {
  expect(waterfall([loss("all", 100, "total"), loss("idle", 25), loss("producing", 75, "total")]).steps[1]).toMatchObject({ from: 0.75, to: 1 });
});

it("the address says of which time and in which steps", () => {
  expect(spanAsked(new URLSearchParams("last=24h"), 48 * HOUR)).toEqual({ start: 24 * HOUR, end: 48 * HOUR });
  expect(spanAsked(new URLSearchParams("last=nonsense"), 200 * HOUR)).toEqual({ start: 32 * HOUR, end: 200 * HOUR });
  expect(spanAsked(new URLSearchParams(`from=${at(1)}&to=${at(2)}`), 0)).toEqual({ start: HOUR, end: 2 * HOUR });
  expect([bucketOf(span, null), bucketOf({ start: 0, end: 24 * 30 * HOUR }, null), bucketOf(span, "shift"), bucketOf(span, "year")]).toEqual(["hour", "day", "shift", "hour"]);
});

it("shares are of the planned time, the states that there are", () => {
  const seconds = { producing: 30, set_up: 0, idle: 0, down: 0, repair: 0, maintenance: 0, planned_stop: 0, unknown: 10 };
  expect(sharesOf(seconds)).toEqual([
    { state: "producing", seconds: 30, share: 0.75 },
    { state: "unknown", seconds: 10, share: 0.25 },
  ]);
});
