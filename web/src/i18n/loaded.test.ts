import { describe, expect, it } from "vitest";

/** Texts come with the pages that need them. Each page, opened by its address before any other, has those that it says. */
const SOURCE = import.meta.glob<string>("../**/*.{svelte,ts}", { query: "?raw", import: "default", eager: true });
const STATIC = /^\s*(?:import|export)\s[^"';]*?from\s+"(\.[^"]+)"/gm;
const LATER = /import\("(\.[^"]+)"\)/g;
const SAID = /\bt\(["`]([a-z]\w*\.[\w.]*)(["`$])/g;

// Files by their path from src/; those beside this test are told without a folder.
const source = new Map(Object.entries(SOURCE).map(([path, text]) => [new URL(path, "http://x/i18n/").pathname.slice(1), text]));
const read = (file: string): string => source.get(file)!;
const named = (from: string, name: string): string | undefined => {
  const path = new URL(name, `http://x/${from}`).pathname.slice(1);
  return [path, `${path}.ts`].find((one) => source.has(one));
};
const all = (file: string, pattern: RegExp): string[] => [...read(file).matchAll(pattern)].map((one) => named(file, one[1]!)).filter((one) => one !== undefined);

/** What is loaded with a file. */
function closure(root: string): Set<string> {
  const found = new Set([root]);
  for (const file of found) if (!file.startsWith("i18n/texts")) for (const one of all(file, STATIC)) found.add(one);
  return found;
}
function keys(files: Iterable<string>): Set<string> {
  const found = new Set<string>();
  for (const file of files) if (file.startsWith("i18n/texts/")) for (const [, key] of read(file).matchAll(/^\s+"([\w.]+)":/gm)) found.add(key!);
  return found;
}
const first = keys(all("i18n/texts.ts", STATIC));

/** Which texts a page says that are not there, and so on for what it loads later. */
function missing(root: string, had: ReadonlySet<string>, seen = new Set<string>()): string[] {
  if (seen.has(root)) return [];
  seen.add(root);
  const files = closure(root);
  const there = new Set([...had, ...keys(files)]);
  const found: string[] = [];
  for (const file of files) {
    if (!file.endsWith(".svelte")) continue; // functions of a module are not all called
    for (const [, key, end] of read(file).matchAll(SAID)) {
      const known = end === "$" ? [...there].some((one) => one.startsWith(key!)) : there.has(key!);
      if (!known) found.push(`${file}: ${key}`);
    }
    for (const later of all(file, LATER)) found.push(...missing(later, there, seen));
  }
  return found;
}

describe("the texts of a page that is opened first", () => {
  const pages = [...new Set([...all("places.ts", LATER), "App.svelte"])];
  it("are looked at for all pages that are loaded later", () => expect(pages.length).toBeGreaterThan(10));
  it.each(pages)("are there on %s", (page) => expect(missing(page, first)).toEqual([]));
});
