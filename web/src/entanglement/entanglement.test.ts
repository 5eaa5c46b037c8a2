import { expect, test } from "vitest";

import { bars, marksOf } from "./model";

const at = (s: number): string => new Date(s * 1000).toISOString();

test("stale stretches on one pixel are one, lost messages near each other are summed", () => {
  const found = {
    stale: [[at(0), at(1)], [at(1.5), at(3)], [at(10), at(11)]] as [string, string][],
    lost: [0, 1, 20].map((s) => ({ source: "plc", time: at(s), count: 2 })),
    share: 0.5,
    lost_count: 6,
  };
  const marks = marksOf(found, 1000);
  expect(marks.stale).toEqual([{ from: 0, to: 3000 }, { from: 10_000, to: 11_000 }]);
  expect(marks.lost).toEqual([{ at: 0, count: 4 }, { at: 20_000, count: 2 }]);
});

test("bars stand side by side, the tallest fills the height", () => {
  const found = bars([[0.001, 5], [0.00125, 10], [1, 1]]);
  expect(found.map((bar) => bar.height)).toEqual([0.5, 1, 0.1]);
  expect(found[1]!.left - found[0]!.left).toBeCloseTo(found[0]!.width);
  expect(found.at(-1)!.left + found.at(-1)!.width).toBeLessThanOrEqual(1.0001);
});
