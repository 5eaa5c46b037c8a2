import { expect, it } from "vitest";

import { More } from "./more.svelte";

/** Answers that come when they are told to. */
function slow() {
  const asked: { cursor: string; answer: (items: number[], next: string | null) => void }[] = [];
  const read = (cursor: string) => new Promise<{ items: number[]; next: string | null }>((done) => asked.push({ cursor, answer: (items, next) => done({ items, next }) }));
  return { asked, read };
}

it("a page is asked for once, however often the button is pressed", async () => {
  const [list, wire] = [new More<number>(), slow()];
  list.begin("a", wire.read);
  const both = [list.next(), list.next()];
  expect(wire.asked.map((one) => one.cursor)).toEqual(["a"]);
  wire.asked[0]!.answer([3, 4], null);
  await Promise.all(both);
  expect([list.items, list.cursor, list.busy]).toEqual([[3, 4], null, false]);
});

it("an answer to what is not asked any more is dropped, and the next page is of what is", async () => {
  const [list, before, after] = [new More<number>(), slow(), slow()];
  list.begin("a", before.read);
  const late = list.next();
  list.begin("b", after.read);
  before.asked[0]!.answer([3, 4], "c");
  await late;
  expect([list.items, list.cursor]).toEqual([[], "b"]);
  const now = list.next();
  after.asked[0]!.answer([5], null);
  await now;
  expect([list.items, list.cursor]).toEqual([[5], null]);
});
