import { expect, it } from "vitest";

import type { Item, Nonconformance, Node, SlotState } from "./model";
import { rowsOf, seenRows, standingOf } from "./rows";

const item = (id: string): Item => ({ id, part: `part-${id}`, revision: "A", maker: "", serial: `S-${id}`, lot: "", kind: "hardware", twin: "", born: "2026-01-01T00:00:00Z", retired: null });
const node = (id: string, path: string[], parts: Node[] = []): Node => ({ item: item(id), path, since: "2026-01-01T00:00:00Z", parts });
const tree = node("m", [], [node("pump", ["pump"], [node("seal", ["pump", "seal"])]), node("motor", ["motor"])]);
const slot: SlotState = { path: ["filter"], parent: "m", holding: "unknown", item: "", part: "", serial: "", revision: "", mandatory: true, safety: false, confirmed: null };
const wrong = { number: 1, item: "seal", parent: "pump", slot: "seal", state: "open" } as Nonconformance;
const rows = rowsOf(tree, { slots: [slot], open: [wrong, { ...wrong, number: 2, state: "closed" }], life: [] });

it("a slot that nobody knows of is a line, apart from what is there", () => {
  expect(rows.map((row) => row.slot)).toEqual(["", "filter", "motor", "pump", "seal"]);
  expect(rows[1]).toMatchObject({ node: null, depth: 1, state: { holding: "unknown" } });
});

it("what is wrong stands at its item, what is closed does not", () => {
  expect(rows.map((row) => row.open.length)).toEqual([0, 0, 0, 0, 1]);
});

it("folding hides what is inside; a search shows what is found in what it is in", () => {
  expect(seenRows(rows, new Set([rows[3]!.key]), "").map((row) => row.slot)).toEqual(["", "filter", "motor", "pump"]);
  expect(seenRows(rows, new Set([rows[3]!.key]), "S-SEAL").map((row) => row.slot)).toEqual(["", "pump", "seal"]);
  expect(rows[0]!.inside).toBe(3);
});

it("a limit is a warning from nine tenths on; past a hard one it is a fault", () => {
  const life = { limit: 100, hard: true };
  expect(standingOf({ ...life, used: 89 }).level).toBeNull();
  expect(standingOf({ ...life, used: 90 }).level).toBe("warning");
  expect(standingOf({ ...life, used: 120 })).toEqual({ share: 1, level: "fault" });
  expect(standingOf({ ...life, used: 120, hard: false }).level).toBe("warning");
});

it("software that an item reports stands beneath it, in place of the slot that nobody knew of", () => {
  const runs = { slot: "firmware", part: "FW", version: "2.0", since: "2026-02-01T00:00:00Z", required: [">=2"], state: "ok" as const };
  const known: SlotState = { ...slot, path: ["firmware"], holding: "held", kind: "software", software: true, revision: "2.0" };
  const lines = rowsOf({ ...tree, software: [runs] }, { slots: [slot, known], open: [], life: [] });
  expect(lines.map((row) => row.slot)).toEqual(["", "filter", "firmware", "motor", "pump", "seal"]);
  expect(lines[2]).toMatchObject({ node: null, runs: { version: "2.0" }, state: { holding: "held" } });
  expect(seenRows(lines, new Set(), "fw").map((row) => row.slot)).toEqual(["", "firmware"]);
});
