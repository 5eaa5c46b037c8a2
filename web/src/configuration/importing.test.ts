import { expect, it } from "vitest";

import { bringsOf, gravestFirst, lineOf, type Looked, type SlotBeside } from "./importing";

it("of a file that is worth a word which it brings", () => {
  const file = { name: "a.csv", repeated: false, items: 3, records: 1, links: 0, measurements: 0, failed: 0, readings: 0, parts: 0, same: 2, faults: [], untold: 0 } satisfies Looked;
  expect(bringsOf(file)).toEqual([
    ["items", 3],
    ["same", 2],
    ["records", 1],
  ]);
});

it("a line of a list is read as people call a part; errors stand before notes", () => {
  const slot = { slot: "drive", verdict: "other", part: "DRIVE", revision: "B", serial: "", lot: "L9", recorded: [], text: "", place: "line 3" } satisfies SlotBeside;
  expect(lineOf(slot)).toBe("DRIVE B L9");
  const faults = (["note", "error", "left out"] as const).map((level) => ({ level, place: "", message: "" }));
  expect(gravestFirst(faults).map((one) => one.level)).toEqual(["error", "left out", "note"]);
});
