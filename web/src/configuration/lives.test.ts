import { expect, it } from "vitest";

import type { Series } from "../api/model";
import { joined, type Piece } from "./lives";

const HOUR = 3_600_000;
const at = (h: number): string => new Date(h * HOUR).toISOString();
const piece = (from: number, to: number | null, root: string): Piece => ({ span: { start: at(from), end: to === null ? null : at(to) }, root, path: ["pump"], twin: root, machine: root });
const series = (h: number, value: number): Series => ({ start: at(h), unit: "bar", method: "minmax", resolution_s: 60, columns: { time: [h * HOUR * 1000], min: [value], max: [value] }, gaps: [] });

it("readings in two machines are one line, with a gap for the time in the store", () => {
  const life = { stretches: [{ piece: piece(0, 2, "m1"), series: series(1, 5), missing: "" }, { piece: piece(2, 4, "store"), series: null, missing: "" }, { piece: piece(4, null, "m2"), series: series(5, 6), missing: "" }] };
  const one = joined(life, 0, 6 * HOUR);
  expect(one.columns.min).toEqual([5, 6]);
  expect(one.gaps).toEqual([[2 * HOUR * 1000, 4 * HOUR * 1000]]);
  expect(one.unit).toBe("bar");
});

it("an item of which nobody told is one gap", () => {
  const one = joined({ stretches: [{ piece: piece(0, null, "store"), series: null, missing: "" }] }, 0, HOUR);
  expect(one.columns).toEqual({});
  expect(one.gaps).toEqual([[0, HOUR * 1000]]);
});
