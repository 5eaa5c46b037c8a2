import { describe, expect, it } from "vitest";

import { number } from "./number";
import { size } from "./size";
import { stateClass } from "./state";
import { fromWall, moment, offset_min, span, toMs, toWall } from "./time";
import { humanUnit, withUnit } from "./unit";
import { humanise } from "./words";

describe("a unit", () => {
  it.each([
    ["Cel", "°C"],
    ["[degF]", "°F"],
    ["mm/s", "mm/s"],
    ["m/s2", "m/s²"],
    ["N.m", "N·m"],
    ["kW.h", "kW·h"],
    ["deg", "°"],
    ["deg/s", "°/s"],
    ["um", "µm"],
    ["Ohm", "Ω"],
    ["kOhm", "kΩ"],
    ["[psi]", "psi"],
    ["[in_i]", "in"],
    ["%", "%"],
    ["m3/h", "m³/h"],
    ["10*3", "10³"],
    ["1", ""],
    ["", ""],
    ["{parts}/h", "/h"],
    ["{rev}/min", "r/min"],
    ["/min", "/min"],
    ["/s", "/s"],
  ])("%s is written %s", (code, human) => expect(humanUnit(code)).toBe(human));

  it("per minute of something that turns is r/min", () => {
    expect(humanUnit("/min", "rotary_velocity_actual")).toBe("r/min");
    expect(humanUnit("/min", "strokes")).toBe("/min");
  });

  it("stands apart from its number, but the degree sign does not", () => {
    expect(withUnit("12", "mm")).toBe("12\u202fmm");
    expect(withUnit("90", "°")).toBe("90°");
    expect(withUnit("12", "")).toBe("12");
  });
});

describe("a number", () => {
  it.each([
    [0, "0"],
    [12, "12"],
    [12.345, "12.35"],
    [0.12345, "0.123"],
    [123.456, "123.5"],
    [1234.56, "1,235"],
    [-0.00012, "-1.2E-4"],
    [Number.NaN, "–"],
  ])("%d is shown as %s", (value, text) => expect(number(value, "en")).toBe(text));

  it("follows the reader's marks", () => expect(number(1234.5, "de")).toBe("1.235"));
  it("has no negative zero", () => expect(number(-0, "en")).toMatch(/^-?0$/));
});

describe("a size", () => {
  it.each([
    [0, "0\u202fkB"],
    [1, "1\u202fkB"],
    [21_400_000, "21.4\u202fMB"],
    [2_000_000_000, "2\u202fGB"],
    [3.25e12, "3.3\u202fTB"],
  ])("of %d bytes is %s", (bytes, text) => expect(size(bytes, "en")).toBe(text));
});

describe("a moment", () => {
  const march = Date.UTC(2026, 2, 8, 6, 30);

  it("is told in the site's zone, its day only when that is not today", () => {
    const now = Date.UTC(2026, 5, 1, 12);
    expect(moment(Date.UTC(2026, 5, 1, 10), now, "en-GB", "America/New_York")).toBe("06:00:00");
    expect(moment(Date.UTC(2026, 4, 30, 10), now, "en-GB", "America/New_York")).toContain("30 May");
  });

  it("survives the way through a datetime field, also around a change of clocks", () => {
    for (const zone of ["America/New_York", "Europe/Berlin", "Asia/Kolkata", "UTC"]) {
      for (let hour = -30; hour < 30; hour++) {
        const ms = march + hour * 3_600_000;
        const back = fromWall(toWall(ms, zone), zone)!;
        expect(toWall(back, zone)).toBe(toWall(ms, zone));
      }
    }
  });

  it("knows the zone's distance from UTC in summer and winter", () => {
    expect(offset_min(Date.UTC(2026, 0, 1), "America/New_York")).toBe(-300);
    expect(offset_min(Date.UTC(2026, 6, 1), "America/New_York")).toBe(-240);
  });

  it("comes as RFC 3339 or as microseconds", () => {
    expect(toMs("1970-01-01T00:00:01.5Z")).toBe(1500);
    expect(toMs(2_000_000)).toBe(2000);
    expect(toMs(null)).toBeNull();
    expect(toMs("yesterday")).toBeNull();
  });
});

describe("a span", () => {
  it.each([
    [0, "0\u202fs"],
    [12_400, "12\u202fs"],
    [300_000, "5\u202fmin"],
    [3 * 3_600_000, "3\u202fh"],
    [47 * 3_600_000, "47\u202fh"],
    [50 * 3_600_000, "2 days"],
    [-5, "0\u202fs"],
  ])("of %d ms is %s", (ms, text) => expect(span(ms, "en")).toBe(text));
});

describe("words", () => {
  it("are made readable", () => {
    expect(humanise("position_actual")).toBe("Position actual");
    expect(humanise("FEED_HOLD")).toBe("Feed hold");
    expect(humanise("cnc_temperature")).toBe("CNC temperature");
  });

  it("of states have one of four classes", () => {
    expect(["ACTIVE", "READY", "FEED_HOLD", "UNAVAILABLE", null, "Program Completed"].map(stateClass)).toEqual([
      "active",
      "ready",
      "held",
      "none",
      "none",
      "ready",
    ]);
  });
});
