import { describe, expect, it } from "vitest";

import type { Kind, Part, PropertyType, Twin } from "../api/model";
import { rangeOf, spanOf, toQuery } from "../app/range";
import { best } from "../app/search";
import type { Now } from "../live/values";
import { parseKey } from "../twin/refs";
import { columnsFor, groups, machineOf, shownHeadlines } from "./machine";
import { standing } from "./now";

const property = (name: string, kind: Kind, headline = false): PropertyType => ({
  ...{ name, kind, headline, unit: "", title: "", description: "", minimum: null, maximum: null, normal: null, values: [] },
  ...{ semantic_id: "", freshness: null, writable: false, aliases: [], deprecated: "", generation: 1 },
});
const twin = (id: string, target = ""): Twin => ({
  ...{ id, name: id, description: "", types: ["mill"], serial: "", stage: "in_service", design_model: false, aliases: [], attributes: {}, revision: 1 },
  links: target ? [{ kind: "located_in", source: id, target, slot: "" }] : [],
});
const part = (id: string, types: string[], parts: Part[] = []): Part => ({ id, name: id, types, slot: "", stage: "", parts });
const TYPES: Record<string, PropertyType[]> = {
  mill: [property("health", "condition")],
  path: [property("program", "text", true), property("execution", "enumeration", true), property("part_count", "integer", true)],
  axis: [property("load", "number", true), property("position", "number")],
};
const propertiesOf = (types: readonly string[]): PropertyType[] => types.flatMap((id) => TYPES[id] ?? []);
const tree = part("m", ["mill"], [part("m.x", ["axis"]), part("m.y", ["axis"]), part("m.path", ["path"])]);
const machine = machineOf(twin("m"), tree, propertiesOf);
const now = (value: unknown, extra: Partial<Now> = {}): Now => ({ value, time: 5e6, changed: 4e6, quality: "good", fresh: true, staleSince: null, ...extra });

describe("a machine", () => {
  it("has its state, program, headlines and conditions from whichever part has them", () => {
    expect(machine.state?.twin).toBe("m.path");
    expect(machine.program?.property.name).toBe("program");
    expect(machine.conditions.map((ref) => ref.twin)).toEqual(["m"]);
    expect(machine.twins).toEqual(["m", "m.x", "m.y", "m.path"]);
  });

  it("shows of equal headlines the first that has a value, counts first", () => {
    const shown = shownHeadlines(machine.headlines, (ref) => ref.twin !== "m.x");
    expect(shown.map((ref) => `${ref.twin} ${ref.property.name}`)).toEqual(["m.path part_count", "m.y load"]);
  });

  it("takes no enumeration for its state that does not tell whether it works", () => {
    const update = { ...property("update", "enumeration", true), values: ["none", "installing"] };
    const belt = { ...property("belt", "enumeration", true), values: ["standing", "running"] };
    expect(machineOf(twin("m"), part("m", ["drive"]), () => [update]).state).toBeNull();
    expect(machineOf(twin("m"), part("m", ["drive"]), () => [update, belt]).state?.property.name).toBe("belt");
  });

  it("whose emergency stop is pressed has a fault", () => {
    const one = machineOf(twin("m"), part("m", ["safe"]), () => [property("emergency_stop", "enumeration", true)]);
    expect(standing(one, () => now("ARMED")).conditions).toEqual([]);
    expect(standing(one, () => now("TRIGGERED")).conditions).toMatchObject([{ level: "fault", text: "Emergency stop" }]);
  });

  it("stands as its state says, with the worst condition first", () => {
    const values: Record<string, Now> = {
      "m.path execution": now("ACTIVE"),
      "m health": now([{ level: "warning", code: "1" }, { level: "fault", code: "2" }]),
    };
    const found = standing(machine, (id, name) => values[`${id} ${name}`]);
    expect(found).toMatchObject({ word: "ACTIVE", state: "active", since: 4000, stale: null });
    expect(found.conditions.map((one) => one.level)).toEqual(["fault", "warning"]);
  });

  it("without data, or with stale data, never looks alive", () => {
    expect(standing(machine, () => undefined)).toMatchObject({ state: "none", seen: null });
    expect(standing(machine, (_, name) => (name === "execution" ? now(null, { quality: "unavailable" }) : undefined)).state).toBe("none");
    expect(standing(machine, (_, name) => (name === "execution" ? now("ACTIVE", { fresh: false, staleSince: 6e6 }) : undefined)).stale).toBe(6000);
  });

  it("stands in rows of about equal length; five in one where they fit", () => {
    const at = (width: number, ...counts: number[]): number[] => counts.map((count) => columnsFor(count, width));
    expect(at(1384, 1, 3, 4, 5, 6, 7, 8, 9)).toEqual([3, 3, 4, 5, 3, 4, 4, 3]);
    expect(at(1056, 2, 4, 5)).toEqual([3, 2, 3]);
    expect(at(366, 1, 5, 9)).toEqual([1, 1, 1]);
    expect(at(0, 5)).toEqual([1]);
  });

  it("stands in its place; those without one come last", () => {
    const found = groups([{ twin: twin("a", "hall") }, { twin: twin("b") }], [twin("hall"), twin("empty")]);
    expect(found.map((group) => [group.place?.id ?? null, group.members.map((one) => one.twin.id)])).toEqual([
      ["hall", ["a"]],
      [null, ["b"]],
    ]);
  });
});

describe("a search", () => {
  it("offers what is exactly meant, then machines, then parts, then connectors", () => {
    const all = [
      { ...twin("connector.mazak01"), types: ["gemel_connector"] },
      twin("mazak01.x"),
      twin("mazak03"),
      twin("old-mazak"),
      { ...twin("q-7"), serial: "MAZAK" },
    ];
    expect(best(all, "mazak").map((one) => one.id)).toEqual(["q-7", "mazak03", "mazak01.x", "old-mazak", "connector.mazak01"]);
  });
});

describe("an address", () => {
  it("holds a range and gives it back", () => {
    for (const text of ["last=8h", "from=2026-01-02T03%3A04%3A05.000Z&to=2026-01-03T00%3A00%3A00.000Z", ""]) {
      const range = rangeOf(new URLSearchParams(text), "1h");
      const again = Object.entries(toQuery(range, "1h")).filter(([, value]) => value !== null) as [string, string][];
      expect(new URLSearchParams(again).toString()).toBe(text);
    }
    expect(spanOf("90s")).toBe(90_000);
    expect(rangeOf(new URLSearchParams("last=nonsense"), "1h")).toEqual({ last: 3_600_000 });
  });

  it("names properties of parts, and the twin's own in short", () => {
    expect(parseKey("m.x:load", "m")).toEqual(["m.x", "load"]);
    expect(parseKey("urn:x:1:load", "m")).toEqual(["urn:x:1", "load"]);
    expect(parseKey("load", "m")).toEqual(["m", "load"]);
  });
});
