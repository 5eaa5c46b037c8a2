import { expect, it } from "vitest";

import { countsOf, EXAMPLE, faultsOf, flow, membersOf, stretch, type Step } from "./editing";

it("a line of a text is found from its column on, and one that is not there is the nearest", () => {
  const text = "parts:\n- part: A\n  revisions: []";
  const at = (line: number, column: number): string => text.slice(...stretch(text, line, column));
  expect(at(2, 3)).toBe("part: A");
  expect(at(2, 0)).toBe("- part: A");
  expect(at(3, 99)).toBe("");
  expect(at(9, 1)).toBe("  revisions: []");
  expect(stretch("", 4, 4)).toEqual([0, 0]);
});

it("faults are in the order of the text, and a refusal without any has none", () => {
  const [first, second] = [{ message: "b", field: "", line: 2, column: 9 }, { message: "a", field: "parts[0]", line: 7, column: 1 }];
  expect(faultsOf({ problems: [second, first] })).toEqual([first, second]);
  expect(faultsOf({})).toEqual([]);
});

it("what would become of the book is counted and said", () => {
  const made: Step = {
    action: "create",
    id: "P-7",
    fields: [
      { field: "part", before: null, after: "P-7" },
      { field: "name", before: null, after: "Pump" },
      { field: "revisions", before: null, after: { A: {}, B: { replaces: ["A"] } } },
    ],
  };
  expect(membersOf(made)).toEqual([{ name: "name", value: "Pump" }, { name: "revisions", value: "A, B" }]);
  expect(countsOf([made, { action: "remove", id: "X", fields: [] }, made])).toEqual([["create", 2], ["remove", 1]]);
});

it("a value is a line that people read", () => {
  expect(flow(8)).toBe("8");
  expect(flow(["A", "B"])).toBe("A, B");
  expect(flow({ slot: "pump", revisions: ["B.."], effectivity: { serials: ["..9"] } })).toBe("{slot: pump, revisions: [B..], effectivity: {serials: [..9]}}");
});

it("the example declares what it names", () => {
  const declared = [...EXAMPLE.matchAll(/^- part: (.+)$/gm)].map(([, part]) => part);
  for (const [, part] of EXAMPLE.matchAll(/slot: \w+, part: ([\w-]+)/g)) expect(declared).toContain(part);
});
