import { describe, expect, it } from "vitest";

import { money } from "../format/money";
import { choose, fitOf, named, nested, piecesOf, type Choice, type Slot } from "./model";

const one = (path: string, part: string): Choice => ({ path: path.split("/"), part, maker: "", revision: "", quantity: 1 });

describe("choosing", () => {
  const before = [one("pump", "A"), one("pump/seal", "S"), one("drive", "D")];
  it("takes what was chosen inside of a part with it", () => {
    expect(choose(before, one("pump", "B"))).toEqual([one("drive", "D"), one("pump", "B")]);
  });
  it("empties a slot by an empty part", () => {
    expect(choose(before, one("drive", ""))).toEqual([one("pump", "A"), one("pump/seal", "S")]);
  });
  it("keeps what is beside it", () => {
    expect(choose(before, one("pump/seal", "T"))).toContainEqual(one("pump", "A"));
  });
});

it("shows each slot before those of what it holds", () => {
  const slot = (path: string) => ({ path: path.split("/") }) as Slot;
  const told = nested([slot("pump"), slot("drive"), slot("pump/seal"), slot("pump/seal/ring")]);
  expect(told.map(({ path }) => path.join("/"))).toEqual(["pump", "pump/seal", "pump/seal/ring", "drive"]);
});

describe("telling", () => {
  it("shows an amount exactly as it is, in the reader's marks", () => {
    expect(money("18500.00", "EUR", "en-GB")).toBe("€18,500.00");
    expect(money("0.125", "EUR", "en-GB")).toBe("€0.125");
    expect(money("9007199254740993.01", "EUR", "en-GB")).toBe("€9,007,199,254,740,993.01");
  });
  it("names a part with its revision, where it has one", () => {
    expect(named({ part: "P", revision: "" })).toBe("P");
    expect(named({ part: "P", revision: "B" })).toBe("P B");
  });
  it("asks for a serial number of each piece that was ordered", () => {
    expect(piecesOf([one("pump/seal", "S")])).toEqual([{ path: ["pump", "seal"], part: "S", revision: "", maker: "", serial: "" }]);
  });
});

it("a place is to be offered where it is worth while and possible; where the use is not known, that is told", () => {
  expect([[true, true], [true, false], [false, true], [null, true]].map(([worth, possible]) => fitOf({ worth: worth!, possible: possible! }))).toEqual(["offer", "blocked", "not_worth", "unknown"]);
});
