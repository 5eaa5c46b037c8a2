import { expect, it } from "vitest";

import { add, fill, TEXTS } from "./texts";
import bulletins from "./texts/bulletins";
import configuration from "./texts/configuration";
import effectiveness from "./texts/effectiveness";
import forms from "./texts/forms";
import type { Texts } from "./texts/languages";
import lifetimes from "./texts/lifetimes";
import offers from "./texts/offers";
import thread from "./texts/thread";
import upkeep from "./texts/upkeep";
import work from "./texts/work";

add(bulletins, configuration, effectiveness, forms, lifetimes, offers, thread, upkeep, work);

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
