import { expect, it } from "vitest";

import { fill, TEXTS } from "./texts";
import type { Texts } from "./texts/languages";

const holes = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
const files = Object.values(import.meta.glob<{ default?: Texts }>("./texts/*.ts", { eager: true })).flatMap((file) => (file.default ? [file.default] : []));

it("a text has the same holes in every language", () => {
  for (const [key, text] of Object.entries(TEXTS)) expect(holes(text.de), key).toEqual(holes(text.en));
});

it("every file's texts are there, and no two have the same key", () => {
  expect(files.flatMap((texts) => Object.keys(texts)).sort()).toEqual(Object.keys(TEXTS).sort());
});

it("holes are filled, one is told as one", () => {
  expect(fill("en", "fleet.for", { span: "5 min" })).toBe("for 5 min");
  expect([0, 1, 2].map((count) => fill("de", "fleet.count", { count }))).toEqual(["0 Maschinen", "1 Maschine", "2 Maschinen"]);
});
