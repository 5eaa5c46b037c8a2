import { expect, test } from "vitest";
import type { SlotState } from "../configuration/model";
import { asks, behind, declared, filled, placeOf, type Source } from "./model";

const slot = (name: string, confirmed: string | null, more: Partial<SlotState> = {}): SlotState =>
  ({ path: [name], parent: "M1", holding: "held", item: "", part: "", serial: "", revision: "", mandatory: false, safety: false, confirmed, ...more });

test("what was never confirmed and has to be is behind before what was, too long ago", () => {
  const slots = [slot("door", "2026-01-01T00:00:00Z"), slot("pump", "2026-03-01T00:00:00Z"), slot("guard", null, { safety: true }), slot("lamp", null)];
  expect(behind(slots, 30, Date.parse("2026-03-10T00:00:00Z")).map((one) => one.path[0])).toEqual(["guard", "door"]);
});

test("an operation asks an event for fields, wherever they stand", () => {
  expect(asks({ do: "swap", parent: "$item", slot: "$position", new: { part: "PUMP", serial: "$new" }, to: ["$store", "stock"], at: "$time" })).toEqual(["position", "new", "store"]);
});

test("a source is declared without what is empty or of another kind", () => {
  const told: Required<Source> = { id: " base ", kind: "csv", columns: { item: "id", part: " part ", slot: "" }, path: "inbox/base.csv", table: "x", secret: "y", moves: false, machines: "lines", part_of_machines: "" };
  expect(declared(told)).toEqual({ id: "base", kind: "csv", columns: { item: "id", part: "part" }, path: "inbox/base.csv" });
  const sql = declared({ ...told, kind: "postgres", machines: "parents", part_of_machines: "PRESS" });
  expect(sql).toEqual({ id: "base", kind: "postgres", columns: { item: "id", part: "part" }, table: "x", secret: "y", machines: "parents", part_of_machines: "PRESS" });
  expect(placeOf(sql)).toBe("x · secret:y");
});

test("what is empty is not told", () => {
  expect(filled({ spec: { id: "P:1", maker: "", aliases: {}, quantity: 1 }, to: null, path: [] })).toEqual({ spec: { id: "P:1", quantity: 1 } });
});
