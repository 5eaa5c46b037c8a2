import { expect, it } from "vitest";

import { followHref, MOST_ALIKE, outlineOf, placed, type Followed, type Step, type ThreadNode } from "./thread";

const node = (key: string, kind = "record"): ThreadNode => ({ key, kind, id: key, sub: "", start: null, end: null, title: key, what: kind, phase: "", url: "", status: "" });
const step = (source: string, target: string, back: boolean): Step => ({ link: 1, kind: "x", phrase: back ? "made by" : "leads to", source, target, back, act: 0, origin: null, place: "" });

function followed(edges: [string, string, boolean][]): Followed {
  const paths = new Map<string, Step[]>([["a", []]]);
  const reached = edges.map(([source, target, back]) => {
    const path = [...paths.get(source)!, step(source, target, back)];
    paths.set(target, path);
    return { node: target, depth: path.length, path };
  });
  return { start: "a", nodes: Object.fromEntries([...paths.keys()].map((key) => [key, node(key)])), reached, more: false, next: "", sources: {}, said: {} };
}

it("what it comes from lies to the left, where it leads to the right, at its distance", () => {
  const { all } = placed(followed([["a", "b", true], ["a", "c", false], ["c", "d", false]]), new Set());
  expect(Object.fromEntries(all.map((one) => [one.key, one.column]))).toEqual({ a: 0, b: -1, c: 1, d: 2 });
});

it("no two things lie on one another, and what others hang on is in their middle", () => {
  const { all } = placed(followed([["a", "b", false], ["a", "c", false], ["b", "d", false], ["b", "e", false], ["c", "f", false]]), new Set());
  const places = all.map((one) => `${one.column} ${one.row}`);
  expect(new Set(places).size).toBe(places.length);
  const row = Object.fromEntries(all.map((one) => [one.key, one.row]));
  expect(row.b).toBe((row.d! + row.e!) / 2);
});

it("the outline has each thing below what it hangs on, first what it comes from", () => {
  const told = outlineOf(followed([["a", "b", false], ["a", "c", true], ["c", "d", true], ["b", "e", false]]));
  expect(told.map((one) => `${one.key}${one.depth}`)).toEqual(["c0", "d1", "b0", "e1"]);
});

it("many alike stand as one until they are unfolded", () => {
  const many = Array.from({ length: MOST_ALIKE + 1 }, (_, i): [string, string, boolean] => ["a", `m${i}`, false]);
  const { all } = placed(followed(many), new Set());
  const one = all.find((each) => each.count > 1)!;
  expect(one.count).toBe(MOST_ALIKE + 1);
  expect(placed(followed(many), new Set([one.key])).all).toHaveLength(MOST_ALIKE + 2);
});

it("a time of a twin is followed with its time", () => {
  expect(followHref({ ...node("mill", "twin"), start: "2026-01-01T00:00:00Z", end: "2026-01-02T00:00:00Z" })).toBe("/thread/twin/mill?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z");
});
