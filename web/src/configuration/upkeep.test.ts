import { expect, test } from "vitest";
import type { SlotState } from "./model";
import { oldest, spent, worth, type Standing, type Upheld } from "./upkeep";

const slot = (name: string, confirmed: string | null, more: Partial<SlotState> = {}): SlotState =>
  ({ path: [name], parent: "M1", holding: confirmed ? "held" : "unknown", item: "", part: "", serial: "", revision: "", mandatory: false, safety: false, confirmed, ...more });
const standing = (within_days: number, age_days: number | null): Standing =>
  ({ root: "M1", promise: { within_days, every: "" }, confirmed: null, age_days, state: "kept", broken_since: null, next_snapshot: null });
const upheld = (within_days: number): Upheld => ({ standing: standing(within_days, 1), last_snapshot: null, events: null, refused: null, may: false });

test("the slots that wait the longest come first, and those that nobody has to fill not at all", () => {
  const slots = [slot("pump", "2026-03-01T00:00:00Z"), slot("guard", null, { safety: true }), slot("lamp", null), slot("door", "2026-01-01T00:00:00Z")];
  expect(oldest(slots, 2).map((one) => one.path[0])).toEqual(["guard", "door"]);
  expect(oldest(slots, 9)).toHaveLength(3);
});

test("a promise is spent from 0 to 1", () => {
  expect(spent(standing(90, 45))).toBe(0.5);
  expect(spent(standing(90, 120))).toBe(1);
  expect(spent(standing(0, 45))).toBeNull();
  expect(spent(standing(90, null))).toBeNull();
});

test("of a part in a machine, or a store, nothing is told unless something is promised", () => {
  expect([worth(null, true), worth(upheld(0), false)]).toEqual([false, false]);
  expect([worth(upheld(0), true), worth(upheld(90), false)]).toEqual([true, true]);
});
