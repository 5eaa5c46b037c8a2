import { describe, expect, it } from "vitest";

import { costOf, lines, newOrderHref, orderSaid, visitSaid, type Order } from "./model";

const unpriced = (hours: string): string => `${hours} h without a price`;

describe("a cost", () => {
  it("has every digit that was told, as the reader writes numbers", () => {
    const cost = { amounts: { EUR: "12587.50" }, unpriced_h: 0, rests_on: [] };
    expect(costOf(cost, "en", unpriced)).toBe("€12,587.50");
    expect(costOf(cost, "de", unpriced)).toBe("12.587,50\u00a0€");
  });
  it("says hours that have no price, and does not add currencies up", () => {
    const cost = { amounts: { EUR: "5.00", JPY: "700" }, unpriced_h: 1.25, rests_on: [] };
    expect(costOf(cost, "en", unpriced)).toBe("€5.00 + ¥700 + 1.3 h without a price");
    expect(costOf({ amounts: {}, unpriced_h: 0, rests_on: [] }, "en", unpriced)).toBe("–");
  });
});

describe("a visit", () => {
  const told = { key: "k", start: "2026-06-01T08:00:00Z", end: "2026-06-01T09:00:00Z", failed: false, cause: "wrong_parts" as const, note: " done " };
  it("that failed says why, and no other does", () => {
    expect(visitSaid({ ...told, failed: true })).toMatchObject({ outcome: "failed", cause: "wrong_parts" });
    expect(visitSaid(told)).toEqual({ key: "k", start: told.start, end: told.end, outcome: "done", note: "done" });
  });
  it("without an end is under way", () => {
    expect(visitSaid({ ...told, end: null })).toEqual({ key: "k", start: told.start, outcome: "under_way", note: "done" });
  });
});

describe("an order that is told otherwise", () => {
  const fields = { item: "SKID", title: " Seal ", what: "", maintenance: null, start: null, end: null, party: "", job: "", skills: lines("hydraulics\n\n first aid "), tools: [], parts: [{ part: " MS-12 ", revision: "", quantity: 2, slot: "" }] };
  const before = { id: "WO-1", system: "", external: "", twin: "skid", item: "SKID", repairs: "WO-0", rework: "workmanship", expects: [{ item: "SKID" }] } as unknown as Order;
  it("keeps what no form says", () => {
    expect(orderSaid(fields, before)).toMatchObject({ id: "WO-1", twin: "skid", repairs: "WO-0", rework: "workmanship", expects: [{ item: "SKID" }], title: "Seal", skills: ["hydraulics", "first aid"] });
    expect(orderSaid(fields, null)).not.toHaveProperty("id");
  });
  it("is of the machine of the item that was chosen anew", () => {
    const anew = orderSaid({ ...fields, item: "M2" }, before);
    expect(anew).not.toHaveProperty("twin");
    expect(anew).not.toHaveProperty("expects");
  });
  it("is made for an item by an address", () => {
    expect(newOrderHref("A/B", "SB 7")).toBe("/work?new=&item=A%2FB&job=SB+7");
  });
});
