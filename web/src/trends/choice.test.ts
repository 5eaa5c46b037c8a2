import { expect, it } from "vitest";

import type { Part, PropertyType } from "../api/model";
import { keyOf } from "../twin/refs";
import { beside, refsOf } from "./choice";

const part = (id: string, type: string, parts: Part[] = [], name = ""): Part => ({ id, name: name || id.split(".").at(-1)!, types: [type], slot: "", stage: "", parts });
const load = { name: "load", unit: "%", deprecated: "" } as PropertyType;
const hot = { name: "hot", unit: "Cel", deprecated: "" } as PropertyType;
const types: Record<string, PropertyType[]> = { machine: [hot], axis: [load], pump: [{ ...load, unit: "kW" }] };
const trees = new Map(
  [
    part("m-1", "machine", [part("m-1.x", "axis")]),
    part("m-2", "machine", [part("m-2.x", "axis"), part("m-2.y", "axis")]),
    part("m-3", "machine", [part("m-3.base.x", "axis", [], "x")]),
    part("m-4", "machine", [part("m-4.x", "pump")]),
  ].map((tree) => [tree.id, tree]),
);
const refs = refsOf(trees, (ids) => ids.flatMap((id) => types[id] ?? []), (id) => id);

it("values of all machines are told with their machine", () => {
  expect(refs.get("m-2.y:load")?.part).toBe("m-2 › y · axis");
  expect(refs.get("m-1:hot")?.part).toBe("m-1");
});

it("beside a part's value stands that of the same part elsewhere, in the same unit", () => {
  expect(beside(refs.get("m-1.x:load")!, trees, refs, 8).map(keyOf)).toEqual(["m-2.x:load", "m-3.base.x:load"]);
  expect(beside(refs.get("m-1:hot")!, trees, refs, 8).map(keyOf)).toEqual(["m-2:hot", "m-3:hot", "m-4:hot"]);
  expect(beside(refs.get("m-1:hot")!, trees, refs, 1)).toHaveLength(1);
});
