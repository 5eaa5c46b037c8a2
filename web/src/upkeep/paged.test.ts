import { expect, it, vi } from "vitest";

import type { Page } from "../api/model";
import { Paged } from "./paged.svelte";

/** Reads when it is told to, and not by itself. */
vi.mock("../app/resource.svelte", () => ({
  Resource: class<T> {
    value: T | undefined;
    constructor(private readonly read: (signal: AbortSignal) => Promise<T>) {}
    async run(): Promise<void> {
      this.value = await this.read(new AbortController().signal);
    }
  },
}));

function slow() {
  const asked: { cursor: string | null; answer: (items: number[], next: string | null) => void }[] = [];
  const list = new Paged<number>((cursor) => new Promise<Page<number>>((done) => asked.push({ cursor, answer: (items, next) => done({ items, next } as Page<number>) })));
  return { asked, list, run: () => (list.read as unknown as { run: () => Promise<void> }).run() };
}

it("what comes late of another list is dropped", async () => {
  const { asked, list, run } = slow();
  const first = run();
  asked[0]!.answer([1], "a");
  await first;
  const late = list.next();
  void list.next(); // once, however often it is pressed
  expect(asked).toHaveLength(2);
  const anew = run();
  void list.next(); // its cursor would be of the list before
  expect(asked.map((one) => one.cursor)).toEqual([null, "a", null]);
  asked[2]!.answer([7], "b");
  await anew;
  asked[1]!.answer([2], null);
  await late;
  expect([list.items, list.cursor, list.busy]).toEqual([[7], "b", false]);
  const next = list.next();
  asked[3]!.answer([8], null);
  await next;
  expect([list.items, list.cursor]).toEqual([[7, 8], null]);
});
