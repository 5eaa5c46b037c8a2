import { describe, expect, it } from "vitest";

import { askedOf, clauseOf, matchHref, NO_CLAUSE, queryOf, reliedHref, written } from "./model";

describe("a clause of a question to the fleet", () => {
  it("is written as the platform reads it, and read again", () => {
    const clauses = [
      { part: "P-7", how: "", revision: "", unknown: false },
      { part: "P-7", how: "<", revision: "C", unknown: false },
      { part: "P-7", how: "=", revision: "B,C", unknown: true },
    ] as const;
    expect(clauses.map(written)).toEqual(["P-7", "P-7:<C", "P-7:?=B,C"]);
    expect(clauses.map((one) => clauseOf(written(one)))).toEqual(clauses);
  });
  it("has no bound without a revision", () => {
    expect(written({ ...NO_CLAUSE, part: " P-7 ", how: "<", unknown: true })).toBe("P-7");
    expect(clauseOf("P-7:nonsense")).toEqual({ ...NO_CLAUSE, part: "P-7" });
  });
});

it("a question is its address", () => {
  const asked = { having: ["P-7:<C", "FW:<2.1"], at: null, known: "2026-03-20T00:00:00Z", start: "2026-01-01T00:00:00Z", end: null, source: "own,base" };
  expect(askedOf(new URLSearchParams(queryOf(asked)))).toEqual(asked);
  expect(queryOf({})).toBe("");
});

it("a machine that was found leads to where it is told of", () => {
  const asked = askedOf(new URLSearchParams());
  expect([matchHref("M1", asked), matchHref("N 1", { ...asked, source: "base" }), matchHref("N1", { ...asked, source: "own,base" })]).toEqual(["/items/M1", "/upkeep?view=sources&source=base&root=N%201", ""]);
});

it("leads from what relied to where it is seen", () => {
  const at = { root: "M 1", valid: "", known: "" };
  expect(reliedHref({ ...at, kind: "work-order", reference: "WO/1" })).toBe("/work/WO%2F1");
  expect(reliedHref({ ...at, kind: "visit", reference: "WP-1" })).toBe("/items/M%201");
});
