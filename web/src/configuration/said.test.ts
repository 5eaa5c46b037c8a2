import { expect, it } from "vitest";

import { add, fill } from "../i18n/texts";
import configuration from "../i18n/texts/configuration";
import { pieces, saidBy, type Words } from "./said";

add(configuration);
const t: Words = (key, values) => fill("en", key, values);

const words = (operation: Record<string, unknown>, self = ""): string =>
  saidBy({ operation }, t, self)
    .map((one) => (one.item ? `[${one.item}]` : one.text))
    .join("");

it("an act is told in a sentence whose items lead to their pages", () => {
  expect(words({ do: "install", child: "PUMP-A", parent: "M1", slot: "pump", at: "" })).toBe("[PUMP-A] into Pump of [M1]");
  expect(words({ do: "swap", parent: "M1", slot: "pump", new: "B", old: "A" })).toBe("[B] for [A] in Pump of [M1]");
  expect(words({ do: "swap", parent: "M1", slot: "pump", new: "B" })).toBe("[B] into Pump of [M1], for what was there");
  expect(words({ do: "use", item: "M1", kind: "hours", amount: 7.5 })).toBe("[M1]: 7.5 hours");
  expect(words({ do: "observe", parent: "M1", slot: "pump", saw: "nothing" })).toBe("nothing in Pump of [M1]");
});

it("the item whose page it is does not lead to itself", () => {
  expect(saidBy({ operation: { do: "merge", item: "A", into: "B" } }, t, "B").filter((one) => one.item)).toEqual([{ text: "A", item: "A" }]);
});

it("what is not told, or of a kind that nobody knows, is no sentence", () => {
  expect(saidBy({ operation: {} }, t)).toEqual([]);
  expect(saidBy({ operation: { do: "dance" } }, t)).toEqual([]);
  expect(pieces("")).toEqual([]);
});
