import { expect, it } from "vitest";

import { bandOf, lineOf, roundTicks, tableHref, type Brief } from "./model";

it("a curve goes from all alive at the top left down to none at the bottom right", () => {
  expect(lineOf([0, 50, 100], [1, 0.5, 0], 100)).toBe("M0.00 0.00L50.00 50.00L100.00 100.00");
  expect(lineOf([0, 50], [1, 0.5], 100, { steps: true })).toBe("M0.00 0.00H50.00V50.00");
});

it("a band is closed: out along its upper edge, back along its lower one", () => {
  expect(bandOf([0, 10], [0.5, 0.2], [1, 0.6], 10)).toBe("M0.00 0.00L100.00 40.00L100.00 80.00L0.00 50.00Z");
});

it("ticks are round and stay within", () => {
  expect(roundTicks(3721)).toEqual([0, 1000, 2000, 3000]);
  expect(roundTicks(0)).toEqual([0]);
  for (const most of [0.7, 12, 99, 1e6]) {
    expect(roundTicks(most).length).toBeGreaterThan(1);
    expect(Math.max(...roundTicks(most))).toBeLessThanOrEqual(most);
  }
});

it("the table of a model is asked for as the model was", () => {
  const model = { asked: { parts: ["A B", "C"], counter: "hours", failures: { events: ["seized"], conditions: [] } } } as unknown as Brief;
  expect(tableHref(model, "parquet")).toBe("/api/v1/lifetimes/lives?part=A+B&part=C&counter=hours&format=parquet&event=seized");
});
