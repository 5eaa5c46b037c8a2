import { beforeEach, expect, it, vi } from "vitest";

import { keptForms } from "./kept.svelte";
import type { Filling, Form } from "./model";

const browser = vi.hoisted(() => {
  const store = new Map<string, string>();
  const room = { left: Infinity };
  const setItem = (key: string, value: string): void => {
    if (value.length > room.left) throw new Error("QuotaExceededError");
    store.set(key, value);
  };
  const all = { getItem: (key: string) => store.get(key) ?? null, setItem, removeItem: (key: string) => void store.delete(key), key: (at: number) => [...store.keys()][at] ?? null };
  vi.stubGlobal("localStorage", Object.defineProperty(all, "length", { get: () => store.size }));
  return room;
});
vi.mock("../app/session.svelte", () => ({ session: { state: "ready", me: { id: "me" } } }));

const FORM: Form = { id: "round", title: "Round", about: "", fields: [] };
const filling = (key: string): Filling => ({ form: "round", version: 1, item: "M1", order: "", at: `2026-01-0${key}T00:00:00Z`, key, answers: {} });
/** What the platform says of which form. */
let says: Record<string, { status: number; code: string; detail: string }>;
let sent: Filling[];

async function platform(_: string, init: RequestInit): Promise<Response> {
  const [one] = JSON.parse(init.body as string) as [Filling];
  sent.push(one);
  const problem = says[one.key];
  return problem ? Response.json(problem, { status: problem.status }) : Response.json([{ filled: { id: one.key }, problem: null }]);
}

beforeEach(async () => {
  browser.left = Infinity;
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("no connection")));
  for (const one of keptForms.list) keptForms.drop(one.key);
  for (const key of ["1", "2"]) expect(await keptForms.tell(filling(key), FORM)).toBeNull();
  vi.stubGlobal("fetch", platform);
  [says, sent] = [{}, []];
});

it("a form is kept with what it asks, and handed in without", async () => {
  expect(keptForms.mine.map((one) => one.asked?.title)).toEqual(["Round", "Round"]);
  await keptForms.send();
  expect(sent).toEqual([filling("1"), filling("2")]);
  expect(keptForms.mine).toEqual([]);
});

it("one with a fault that passes holds up none of the others", async () => {
  says = { 1: { status: 504, code: "504", detail: "too slow" } };
  await keptForms.send();
  expect(keptForms.mine.map((one) => [one.key, one.refused])).toEqual([["1", null]]);
});

it("nothing more is asked of a platform that is away or full", async () => {
  says = { 1: { status: 507, code: "disk_full", detail: "later" } };
  await keptForms.send();
  expect([sent.length, keptForms.mine.length]).toEqual([1, 2]);
});

it("a refusal for which the browser has no room is told all the same", async () => {
  says = { 2: { status: 422, code: "invalid", detail: "too long ago" } };
  browser.left = 0;
  await keptForms.send();
  expect(keptForms.conflicts.map((one) => [one.key, one.refused?.detail])).toEqual([["2", "too long ago"]]);
});
