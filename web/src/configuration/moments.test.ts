import { expect, it } from "vitest";

import type { Act } from "./model";
import { marks, momentOf, near, reachOf, step, toldOf } from "./moments";

const list = marks(["2026-03-10T00:00:00Z", "2026-01-01T00:00:00Z", "2026-03-10T00:00:00Z"].map(momentOf));

it("each moment is one mark, in order", () => {
  expect(list.map((one) => one.text)).toEqual(["2026-01-01T00:00:00Z", "2026-03-10T00:00:00Z"]);
});

it("steps go from mark to mark, and past the last to now", () => {
  const back = step(list, null, -1);
  expect(back).toEqual(list[1]);
  expect(step(list, back, -1)).toEqual(list[0]);
  expect(step(list, list[0]!, -1)).toEqual(list[0]);
  expect(step(list, list[0]!, 1)).toEqual(list[1]);
  expect(step(list, list[1]!, 1)).toBeNull();
});

it("two moments within a millisecond are two steps", () => {
  const close = marks(["2026-01-01T00:00:00.000123Z", "2026-01-01T00:00:00.000124Z"].map(momentOf));
  expect(step(close, close[1]!, -1)).toEqual(close[0]);
  expect(step(close, close[0]!, 1)).toEqual(close[1]);
});

it("a drag catches the nearest mark in reach, and nothing else", () => {
  expect(near(list, list[0]!.ms + 5, 10)).toEqual(list[0]);
  expect(near(list, list[0]!.ms + 50, 10)).toBeUndefined();
});

it("the axis reaches from the first thing that is told to now", () => {
  const act = { time: "2026-01-01T00:00:00Z", recorded: "2026-01-02T00:00:00Z", amends: null } as Act;
  const present = Date.parse("2026-05-01T00:00:00Z");
  const { start, end } = reachOf(toldOf([act]), present);
  expect(start).toBeLessThan(Date.parse(act.time));
  expect(end).toBeGreaterThan(present);
});
