import { expect, it } from "vitest";

import { isActive, placeOf, share } from "./picture";

const part = (id: string, slot: string, ...parts: ReturnType<typeof leaf>[]) => ({ ...leaf(id, slot), parts });
const leaf = (id: string, slot: string) => ({ id, name: "", types: [`type-of-${id}`], slot, stage: "", parts: [] });
const skid = part("skid", "", leaf("tank-7", "tank"), leaf("a", "pumps"), leaf("b", "pumps"));

it("a place is found by the slots that lead to it", () => {
  expect(placeOf("flow", skid)).toEqual({ twin: "skid", types: ["type-of-skid"], property: "flow" });
  expect(placeOf("tank.level", skid)).toEqual({ twin: "tank-7", types: ["type-of-tank-7"], property: "level" });
  expect(placeOf("tank.state=full", skid)?.property).toBe("state");
});

it("an empty slot and one that holds several show nothing", () => {
  expect(placeOf("valve.position", skid)).toBeNull();
  expect(placeOf("pumps.speed", skid)).toBeNull();
});

it("active is what is true, open a little, or at the word that is named", () => {
  expect(isActive("running", true)).toBe(true);
  expect(isActive("valve", 0)).toBe(false);
  expect(isActive("valve", 3)).toBe(true);
  expect(isActive("state=running", "running")).toBe(true);
  expect(isActive("state=running", "stopped")).toBe(false);
  expect(isActive("state", "running")).toBe(false);
});

it("it is filled between its limits, and never over them", () => {
  expect(share(30, 20, 40)).toBe(0.5);
  expect(share(99, 20, 40)).toBe(1);
  expect(share("x", 20, 40)).toBeNull();
  expect(share(3, null, 40)).toBeNull();
});
