import { expect, it } from "vitest";

import { basisOf, concessionOf, emptyDraft, operationsOf, saidOf, type Asked } from "./draft";
import type { Item } from "./model";

const item = (id: string): Item => ({ id, part: "P", revision: "A", maker: "", serial: id, lot: "", kind: "hardware", twin: "", born: "2026-01-01T00:00:00Z", retired: null });
const AT = Date.parse("2026-03-10T08:00:00Z");
const swap: Asked = { verb: "swap", parent: item("M1"), slot: "pump", item: item("PUMP-A") };

it("a swap needs what comes in", () => {
  expect(operationsOf(swap, emptyDraft(AT))).toEqual([]);
  const draft = { ...emptyDraft(AT), fresh: item("PUMP-B"), to: "store-1" };
  const [operation] = operationsOf(swap, draft);
  expect(operation).toEqual({ do: "swap", parent: "M1", slot: "pump", new: "PUMP-B", old: "PUMP-A", at: "2026-03-10T08:00:00.000Z", to: ["store-1", "stock"] });
});

it("a swap assumes what was in the slot when it was written down", () => {
  expect(basisOf(swap, emptyDraft(AT), "k").expects).toEqual([{ root: "M1", slot: "pump", item: "PUMP-A" }]);
});

it("a serial number that nobody knows yet is made known by the same act", () => {
  const draft = { ...emptyDraft(AT), unlisted: true, part: "PUMP 7", serial: "B/12", conceded: "until spring" };
  const said = saidOf(swap, draft, "k");
  expect(said.map((one) => one.operation.do)).toEqual(["swap"]);
  expect(said[0]!.operation).toMatchObject({ new: "PUMP-7.B-12", spec: { id: "PUMP-7.B-12", part: "PUMP 7", serial: "B/12" } });
  expect(said[0]!.concession).toEqual({ reason: "until spring" });
});

it("what cannot be read goes in under a name of its own, with what it was used before", () => {
  const draft = { ...emptyDraft(AT), unlisted: true, nameless: true, tag: "4f2a", part: "PUMP", serial: "typed before", kind: "hours", amount: "1200,5" };
  const [act, counted] = saidOf(swap, draft, "k");
  expect(act!.operation).toMatchObject({ do: "swap", new: "PUMP.4f2a", spec: { id: "PUMP.4f2a", part: "PUMP", serial: "" } });
  expect(counted!.operation).toMatchObject({ do: "adjust", item: "PUMP.4f2a", kind: "hours", amount: 1200.5 });
  expect(counted!.basis).toMatchObject({ key: "k-1", reason: "as it came in" });
  expect(operationsOf(swap, { ...draft, part: "" })).toMatchObject([{ new: "unknown.4f2a" }, {}]);
});

it("a counter is told by what it shows, beside what is counted, or by how much was used", () => {
  const asked: Asked = { verb: "use", item: item("PUMP-A") };
  const draft = { ...emptyDraft(AT), kind: "hours", amount: "950", counted: 1000 };
  expect(operationsOf(asked, { ...draft, counted: null })).toEqual([]);
  expect(operationsOf(asked, draft)).toEqual([{ do: "adjust", item: "PUMP-A", kind: "hours", amount: -50, at: "2026-03-10T08:00:00.000Z" }]);
  const used = { ...draft, counting: "used" as const, since: AT - 3_600_000 };
  expect(operationsOf(asked, used)).toMatchObject([{ do: "use", item: "PUMP-A", amount: 950, start: "2026-03-10T07:00:00.000Z", end: "2026-03-10T08:00:00.000Z" }]);
  expect(operationsOf(asked, { ...used, since: AT })).toEqual([]);
});

it("a move says where to; a merge is never of one with itself", () => {
  const draft = { ...emptyDraft(AT), fresh: item("M2"), slot: "pump" };
  expect(operationsOf({ verb: "move", item: item("PUMP-A") }, draft)).toEqual([{ do: "move", child: "PUMP-A", parent: "M2", slot: "pump", at: "2026-03-10T08:00:00.000Z" }]);
  expect(operationsOf({ verb: "merge", item: item("M2") }, draft)).toEqual([]);
  expect(operationsOf({ verb: "merge", item: item("M3") }, draft)).toMatchObject([{ do: "merge", item: "M3", into: "M2" }]);
});

it("what a merge brought together is split again; of a lot so many pieces are another", () => {
  const act = { number: 9, operation: { do: "merge", item: "A", into: "B" } } as unknown as Asked["act"] & object;
  expect(operationsOf({ verb: "split", act }, emptyDraft(AT))).toMatchObject([{ do: "split", item: "B", other: "A" }]);
  const lot: Asked = { verb: "split", item: item("LOT") };
  expect(operationsOf(lot, { ...emptyDraft(AT), value: "2.5", serial: "LOT-2" })).toEqual([]);
  expect(operationsOf(lot, { ...emptyDraft(AT), value: "3", serial: "LOT-2" })).toMatchObject([{ item: "LOT", other: "LOT-2", quantity: 3 }]);
});

it("a correction has a reason, or is none", () => {
  const asked: Asked = { verb: "correct", act: { number: 7 } as Asked["act"] & object };
  expect(operationsOf(asked, emptyDraft(AT))).toEqual([]);
  expect(operationsOf(asked, { ...emptyDraft(AT), reason: "the log says so" })).toEqual([{ do: "correct", act: 7, at: "2026-03-10T08:00:00.000Z" }]);
});

it("an act of the wrong item or slot is corrected with what really was done", () => {
  const act = { number: 7, operation: { do: "swap", parent: "M1", slot: "pump", new: "B", old: "A", at: "2026-03-01T00:00:00Z", spec: { id: "B" } } } as unknown as Asked["act"] & object;
  const draft = { ...emptyDraft(AT), reason: "the plate says so", otherwise: true };
  expect(operationsOf({ verb: "correct", act }, draft)).toEqual([]);
  const at = "2026-03-10T08:00:00.000Z";
  expect(operationsOf({ verb: "correct", act }, { ...draft, fresh: item("C") })).toEqual([{ do: "correct", act: 7, at, instead: { do: "swap", parent: "M1", slot: "pump", new: "C", old: "A", at } }]);
  expect(operationsOf({ verb: "correct", act }, { ...draft, slot: "spare" })).toMatchObject([{ instead: { new: "B", slot: "spare", spec: { id: "B" } } }]);
  expect(operationsOf({ verb: "correct", act }, { ...draft, otherwise: false })).toEqual([{ do: "correct", act: 7, at }]);
});

it("a concession without a reason is none; a day ends it at its beginning", () => {
  expect(concessionOf(emptyDraft(AT))).toBeUndefined();
  expect(concessionOf({ ...emptyDraft(AT), conceded: "spare part", until: "2026-05-01" })).toEqual({ reason: "spare part", until: "2026-05-01T00:00:00Z" });
});

it("what is not as it should be is of the part, or of its place, and says what; judging it says why", () => {
  const asked: Asked = { verb: "raise", parent: item("M1"), slot: "pump", item: item("PUMP-A") };
  expect(operationsOf(asked, emptyDraft(AT))).toEqual([]);
  const draft = { ...emptyDraft(AT), reason: "a dent", level: "block" as const };
  expect(operationsOf(asked, draft)).toEqual([{ do: "raise", item: "PUMP-A", level: "block", at: "2026-03-10T08:00:00.000Z" }]);
  expect(operationsOf(asked, { ...draft, place: true })).toMatchObject([{ item: "M1", slot: "pump" }]);
  expect(operationsOf({ verb: "raise", parent: item("M1"), slot: "pump" }, draft)).toMatchObject([{ item: "M1", slot: "pump" }]);
  const judged: Asked = { verb: "judge", nonconformance: { number: 3 } as Asked["nonconformance"] & object };
  expect(operationsOf(judged, emptyDraft(AT))).toEqual([]);
  expect(operationsOf(judged, draft)).toMatchObject([{ do: "judge", nonconformance: 3, state: "closed" }]);
  expect(operationsOf(judged, { ...emptyDraft(AT), state: "conceded" })).toHaveLength(1);
});
