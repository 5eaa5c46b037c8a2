import { expect, it } from "vitest";

import { fill, TEXTS, type Key } from "./texts";

const holes = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

it("every language has every text, with the same holes", () => {
  for (const texts of Object.values(TEXTS)) {
    expect(Object.keys(texts).sort()).toEqual(Object.keys(TEXTS.en).sort());
    for (const [key, text] of Object.entries(texts)) expect(holes(text), key).toEqual(holes(TEXTS.en[key as Key]));
  }
});

it("holes are filled, one is told as one", () => {
  expect(fill("en", "fleet.for", { span: "5 min" })).toBe("for 5 min");
  expect([0, 1, 2].map((count) => fill("de", "fleet.count", { count }))).toEqual(["0 Maschinen", "1 Maschine", "2 Maschinen"]);
});
