import { expect, it } from "vitest";

import { reached, standing, valueOf } from "./model";

const order = (...states: string[]) => ({ state: states.at(-1) ?? "", ended: true, steps: states.map((state) => ({ state, time: "", detail: "" })) });

it("an order has come as far as its farthest step", () => {
  expect(reached(order("requested", "sent", "requested", "expired"))).toBe(1);
  expect(reached(order("requested", "sent", "delivered", "acknowledged", "applied"))).toBe(4);
});

it("unknown is neither well nor bad: a person has to look", () => {
  expect(["applied", "unknown", "timed_out", "cancelled"].map((state) => standing(order(state)))).toEqual(["well", "unknown", "bad", "void"]);
  expect(standing({ state: "sent", ended: false })).toBe("open");
});

it("what is typed becomes what the property takes; what cannot be read is left for the server to refuse", () => {
  expect(valueOf({ kind: "number" }, " 12,5 ")).toBe(12.5);
  expect(valueOf({ kind: "number" }, "176", { unit: "[degF]", factor: 1.8, offset: 32 })).toBe(80);
  expect(valueOf({ kind: "number" }, "fast")).toBe("fast");
  expect(valueOf({ kind: "number" }, "")).toBeUndefined();
  expect(valueOf({ kind: "boolean" }, "false")).toBe(false);
  expect(valueOf({ kind: "boolean" }, "")).toBeUndefined();
  expect(valueOf({ kind: "array" }, "[1, 2]")).toEqual([1, 2]);
  expect(valueOf({ kind: "text" }, "0")).toBe("0");
});
