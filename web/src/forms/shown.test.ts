import { expect, it } from "vitest";

import type { Answers, Field } from "./model";
import { asked, isShown } from "./shown";

const field = (name: string, shown = "", kind: Field["kind"] = "number"): Field => ({ name, ask: name, kind, help: "", required: true, unit: "", low: null, high: null, choices: [], expect: [], shown, observe: "" });
const BEFORE = [field("pressure"), field("guard", "", "yes_no"), field("colour", "", "choice"), field("seen", "", "moment")];
const told = (shown: string, answers: Answers): boolean | undefined => isShown(field("why", shown), BEFORE, answers);

it("a field is asked where its condition is true, and not where it is false or not known", () => {
  expect(told("", {})).toBe(true);
  expect(told("pressure < 300 OR NOT guard", { pressure: 250, guard: true })).toBe(true);
  expect(told("pressure < 300 OR NOT guard", { pressure: 350, guard: true })).toBe(false);
  expect(told("pressure < 300 OR NOT guard", { guard: false })).toBe(true);
  expect(told("pressure < 300 AND NOT guard", { guard: false })).toBe(false);
  expect(told("pressure IS NULL", {})).toBe(true);
  expect(told("colour IN ('red', 'it''s')", { colour: "it's" })).toBe(true);
  expect(told("colour <> 'red'", { colour: "red" })).toBe(false);
  expect(told("pressure BETWEEN 1 AND 3 and (-pressure + 4) * 2 >= 2", { pressure: 3 })).toBe(true);
  expect(told("pressure / 0 > 1", { pressure: 3 })).toBe(false);
});

it("of a condition that it does not understand it says so", () => {
  for (const shown of ["abs(pressure) > 3", "seen > 3", "nothing = 1", "pressure >", "pressure ~ 3"]) expect(told(shown, { pressure: 5 })).toBeUndefined();
});

it("numbers of different units are left to the platform, which converts them", () => {
  const before = [{ ...field("p1"), unit: "kPa" }, { ...field("p2"), unit: "bar" }, { ...field("p3"), unit: "bar" }];
  const asks = (shown: string): boolean | undefined => isShown(field("why", shown), before, { p1: 250, p2: 3, p3: 2 });
  expect(asks("p1 < p2")).toBeUndefined();
  expect([asks("p3 < p2"), asks("p1 > 300")]).toEqual([true, false]);
});

it("an answer to what is not asked any more counts as none", () => {
  const fields = [field("leak", "", "yes_no"), field("much", "leak"), field("where", "much > 3")];
  const names = (answers: Answers): string[] => asked(fields, answers).map((one) => one.field.name);
  expect(names({ leak: true, much: 5 })).toEqual(["leak", "much", "where"]);
  expect(names({ leak: false, much: 5 })).toEqual(["leak"]);
});
