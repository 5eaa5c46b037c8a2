import { expect, it } from "vitest";

import type { Happening } from "./happening";
import { together } from "./together";

const line = (time: number, twin: string, kind: string, title = ""): Happening => ({
  ...{ key: `${time}-${twin}-${kind}`, time, twin, kind, title, level: null, text: "", href: `/twins/${twin}` },
});

it("a source's silence is told once, of the whole machine", () => {
  const list = [
    line(9000, "m", "condition.changed"),
    line(5001, "m.x", "freshness.lost", "m-shdr"),
    line(5000, "m", "freshness.lost", "m-shdr"),
    line(5000, "n", "freshness.lost", "n-shdr"),
    line(4990, "m.y", "freshness.lost", "m-shdr"),
    line(1000, "m.x", "freshness.lost", "m-shdr"),
  ];
  expect(together(list, (count) => `${count} parts`).map((one) => [one.time, one.twin, one.title])).toEqual([
    [9000, "m", ""],
    [5001, "m", "m-shdr, 2 parts"],
    [5000, "n", "n-shdr"],
    [1000, "m.x", "m-shdr"],
  ]);
});

it("of values without a source each twin is told", () => {
  const list = [line(1, "a", "freshness.lost"), line(1, "b", "freshness.lost")];
  expect(together(list, String)).toEqual(list);
});
