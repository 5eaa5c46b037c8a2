import { expect, test } from "vitest";

import { together, totalOf, verbsOf } from "./model";

test("what is signed off cannot be changed any more", () => {
  const signed = { actor: "a", time: "", sha256: "" };
  expect(verbsOf({ state: "finished", signed, approval: "", actor: "me" }, 1, "me")).toEqual([]);
  expect(verbsOf({ state: "finished", signed: null, approval: "", actor: "me" }, 1, "me")).toEqual(["retry", "rollback", "sign-off"]);
});

test("whoever waits for somebody else can be approved or stopped", () => {
  expect(verbsOf({ state: "waiting", signed: null, approval: "needed", actor: "me" }, 0, "me")).toEqual(["approve", "stop"]);
});

test("what somebody else began can be taken over, but not by who approved it", () => {
  const running = { state: "running" as const, signed: null, actor: "them" };
  expect(verbsOf({ ...running, approval: "" }, 0, "me")).toContain("take-over");
  expect(verbsOf({ ...running, approval: "me" }, 0, "me")).not.toContain("take-over");
});

test("groups are counted together", () => {
  const group = { name: "a", success: "1", errors: "1", state: "done" as const };
  const counts = together([
    { ...group, counts: { succeeded: 1 } },
    { ...group, counts: { succeeded: 2, failed: 1 } },
  ]);
  expect(counts).toEqual({ succeeded: 3, failed: 1 });
  expect(totalOf(counts)).toBe(4);
});
