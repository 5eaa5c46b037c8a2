import { describe, expect, it } from "vitest";

import { intervalShown, same, scaleOf, toDeclared, toShown, type Unit } from "./scale";

const CELSIUS: Unit = { unit: "Cel", metric: "Cel", us: "[degF]", shown_in: [{ unit: "[degF]", factor: 1.8, offset: 32 }] };
const PSI: Unit = {
  unit: "[psi]",
  metric: "bar",
  us: "[psi]",
  shown_in: [
    { unit: "bar", factor: 0.06894757293168362, offset: 0 },
    { unit: "kPa", factor: 6.894757293168361, offset: 0 },
  ],
};

describe("a unit is shown", () => {
  it("as it is declared, unless somebody chose otherwise", () => expect(scaleOf(CELSIUS, { system: "declared", each: {} })).toEqual(same("Cel")));
  it("in the chosen system", () => {
    expect(scaleOf(CELSIUS, { system: "us", each: {} }).unit).toBe("[degF]");
    expect(scaleOf(CELSIUS, { system: "metric", each: {} })).toEqual(same("Cel"));
    expect(scaleOf(PSI, { system: "metric", each: {} }).unit).toBe("bar");
  });
  it("in the one that was chosen for it, whatever the system", () => {
    expect(scaleOf(PSI, { system: "us", each: { "[psi]": "kPa" } }).unit).toBe("kPa");
    expect(scaleOf(CELSIUS, { system: "us", each: { Cel: "Cel" } })).toEqual(same("Cel"));
  });
  it("as it is declared, when what was chosen is not offered any more", () => expect(scaleOf(PSI, { system: "declared", each: { "[psi]": "Torr" } })).toEqual(same("[psi]")));
});

describe("a number", () => {
  const fahrenheit = scaleOf(CELSIUS, { system: "us", each: {} });
  it("of a reading has its place on the other scale", () => expect(toShown(80, fahrenheit)).toBeCloseTo(176, 9));
  it("of a difference has none", () => expect(intervalShown(10, fahrenheit)).toBe(18));
  it("that is typed in is sent as declared, without noise", () => {
    for (const value of [80, 82.5, -40, 0.1, 123.456]) expect(toDeclared(toShown(value, fahrenheit), fahrenheit)).toBe(value);
    expect(toDeclared(1234567890123456, same("1"))).toBe(1234567890123456);
  });
});
