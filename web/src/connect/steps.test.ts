import { expect, it } from "vitest";

import { detailsOf, idOf, matches, pointOf, rowOf, sample, settingsOf } from "./steps";

it("an id is made of what a machine calls itself", () => {
  expect(["OilPress 7", "oven-3", "  Öfen/2 "].map(idOf)).toEqual(["oil-press-7", "oven-3", "fen-2"]);
});

it("a password is named, never sent", () => {
  const said = { url: " opc.tcp://h:4840 ", user: "u", secret: "env" as const, password: "GEMEL_SECRET_X", secure: false };
  expect(settingsOf(said, "opcua")).toEqual({ url: "opc.tcp://h:4840", user: "u", password: { env: "GEMEL_SECRET_X" } });
  expect(settingsOf({ ...said, user: "" }, "opcua")).toEqual({ url: "opc.tcp://h:4840" });
  expect(settingsOf({ ...said, secure: true }, "opcua")["security"]).toMatchObject({ policy: "Basic256Sha256" });
  expect(settingsOf({ ...said, secure: true }, "mqtt")).not.toHaveProperty("security");
});

it("what was edited goes into the point, and is found by any word", () => {
  const row = rowOf({ address: "ns=2;s=Oil", property: { name: "oil" }, place: ["Press"] });
  expect(matches(row, "press oil")).toBe(true);
  expect(matches(row, "pump")).toBe(false);
  expect(pointOf({ ...row, name: " oil_temp ", unit: "Cel" }).property).toEqual({ name: "oil_temp", unit: "Cel" });
});

it("samples fit a line", () => {
  expect([null, 20.1234567, true, [1, 2]].map(sample)).toEqual(["–", "20.1235", "true", "[1,2]"]);
});

it("a difference is told in people's words: values that come and go, properties, other fields", () => {
  const changed = (field: string, after: unknown = {}) => ({ field, before: null, after });
  const step = { action: "change", what: "connector", id: "c" } as const;
  const fields = [changed("title", "T"), changed("bindings.a at 1"), changed("bindings.b at 2"), changed("bindings.c at 3", null)];
  expect(detailsOf({ ...step, fields })).toEqual({ properties: [], values: 2, lost: 1, fields: ["title"] });
  expect(detailsOf({ ...step, action: "create", fields: [changed("kind", "opcua"), changed("bindings", 15)] })).toMatchObject({ values: 15, fields: ["kind"] });
  expect(detailsOf({ ...step, what: "type", fields: [changed("properties", ["a", "b"])] }).properties).toEqual(["a", "b"]);
});
