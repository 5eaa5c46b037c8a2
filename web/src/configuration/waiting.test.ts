import { beforeEach, expect, it, vi } from "vitest";

import type { Said } from "./model";
import { isLater, waiting } from "./waiting.svelte";

vi.hoisted(() => {
  const store = new Map<string, string>();
  const all = { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, value: string) => void store.set(key, value), removeItem: (key: string) => void store.delete(key), key: (at: number) => [...store.keys()][at] ?? null };
  vi.stubGlobal("localStorage", Object.defineProperty(all, "length", { get: () => store.size }));
});
vi.mock("../app/session.svelte", () => ({ session: { state: "ready", me: { id: "me" } } }));

const FAULT = { status: 500, code: "internal", detail: "incident 4f2a" };
/** What the platform falls over, and what it says instead of an answer. */
let sick: Record<string, { status: number; code: string; detail: string }>;
let sent: string[][];

/** A platform that falls over some records, alone or among others. */
async function platform(_: string, init: RequestInit): Promise<Response> {
  const keys = (JSON.parse(init.body as string) as Said[]).map((one) => one.basis.key!);
  sent.push(keys);
  const bad = keys.map((key) => sick[key]).find(Boolean);
  return bad ? Response.json(bad, { status: bad.status }) : Response.json(keys.map(() => ({ outcome: { act: 1, findings: [] }, problem: null })));
}

function kept(...keys: string[]): void {
  for (const [made, key] of keys.entries()) waiting.put({ operation: { do: "retire", child: key, at: "2026-01-01T00:00:00Z" }, basis: { key }, key, by: "me", made, title: key, refused: null } as Parameters<typeof waiting.put>[0]);
}

beforeEach(() => {
  vi.stubGlobal("fetch", platform);
  [sick, sent] = [{}, []];
  for (const one of waiting.list) waiting.drop(one.key);
});

it("what the platform cannot take is told, and holds up none of the others", async () => {
  kept("a", "b", "c");
  sick = { b: FAULT };
  await waiting.send();
  expect(sent).toEqual([["a", "b", "c"], ["a"], ["b"], ["c"]]);
  expect(waiting.list.map((one) => [one.key, one.refused?.detail])).toEqual([["b", "incident 4f2a"]]);
  expect(waiting.conflicts).toHaveLength(1);
});

it("what a proxy lost waits, and the others are said", async () => {
  kept("a", "b", "c");
  sick = { a: { status: 504, code: "504", detail: "too slow" } };
  await waiting.send();
  expect(waiting.list.map((one) => [one.key, one.refused])).toEqual([["a", null]]);
});

it("nothing is asked one by one of a platform that is away or full", async () => {
  kept("a", "b");
  sick = { a: { status: 503, code: "overloaded", detail: "later" } };
  await waiting.send();
  expect([sent.length, waiting.list.length, waiting.conflicts.length]).toEqual([1, 2, 0]);
});

it("a fault of the platform's own comes again: it is no reason to wait", () => {
  expect([0, 401, 429, 502, 503, 504].every((status) => isLater({ status }))).toBe(true);
  expect([400, 404, 409, 413, 422, 500].some((status) => isLater({ status }))).toBe(false);
});
