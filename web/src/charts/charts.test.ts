import { describe, expect, it } from "vitest";

import type { Series } from "../api/model";
import { aligned, append, fromSeries, indexAt, stretches } from "./series";
import { ticks } from "./ticks";
import { TimeView } from "./view";

const series = (columns: Series["columns"], gaps: [number, number][] = [], resolution_s = 0): Series => ({
  ...{ start: "1970-01-01T00:00:00Z", unit: "", method: "", resolution_s, columns, gaps },
});

describe("a line", () => {
  const buckets = series({ time: [0, 10_000], min: [1, 5], max: [3, 7], mean: [2, 6], last: [3, 5] }, [], 0.002);

  it("shows each envelope for its own bucket, then the last value until the next", () => {
    const [time, mid, low, high] = aligned(fromSeries(buckets), 20);
    expect(time.map((s) => Math.round(s * 1e6))).toEqual([0, 2000, 10_000, 12_000, 20_000]);
    expect(mid).toEqual([2, 3, 6, 5, 5]);
    expect(low).toEqual([1, 3, 5, 5, 5]);
    expect(high).toEqual([3, 3, 7, 5, 5]);
  });

  it("is broken by a gap, and holds its value until the gap begins", () => {
    const [time, mid] = aligned(fromSeries(series({ time: [0, 9000], value: [1, 2] }, [[3000, 9000]])), 12);
    expect(mid).toEqual([1, 1, null, 2, 2]);
    expect(time[1]).toBeCloseTo(0.003);
  });

  it("stays open after a gap that no reading has closed", () => {
    const columns = fromSeries(series({ time: [0], value: [1] }, [[3000, 5000]]));
    expect(aligned(columns, 100)[1].at(-1)).toBeNull();
    expect(indexAt(columns, 50)).toBe(-1);
    append(columns, 60, 4);
    expect(aligned(columns, 100)[1].at(-1)).toBe(4);
    expect(columns.word[indexAt(columns, 70)]).toBe(4);
  });

  it("begins at the left edge with the value that held there", () => {
    const held = { ...series({ time: [5000], min: [1], max: [3], mean: [2], last: [3] }), before: { time: -9000, value: 7 } };
    expect(aligned(fromSeries(held), 20).slice(0, 2)).toEqual([[0, 0.005, 0.02], [7, 2, 2]]);
    const silent = { ...series({ time: [], value: [] }), before: { time: -9000, value: 7 } };
    expect(aligned(fromSeries(silent), 20)).toEqual([[0, 0.02], [7, 7], [7, 7], [7, 7]]);
    expect(fromSeries({ ...series({ time: [], value: [] }), before: null }).time).toEqual([]);
  });

  it("takes live values in order, and opens a gap when they end", () => {
    const columns = fromSeries(series({ time: [0], value: [1] }));
    append(columns, 5, 2);
    append(columns, 4, 9);
    append(columns, 8, null);
    expect(columns.time).toEqual([0, 5]);
    expect(columns.gaps).toEqual([[8, Infinity]]);
  });
});

describe("states", () => {
  const told = series({ start: [0, 2000, 9000], end: [2000, 6000, 12_000], value: ["A", "B", "B"] }, [[6000, 9000]]);

  it("come as stretches with their gaps", () => {
    expect(stretches(fromSeries(told), 15)).toEqual([
      { from: 0, to: 2, word: "A" },
      { from: 2, to: 6, word: "B" },
      { from: 9, to: 15, word: "B" },
    ]);
  });

  it("end where the source fell silent", () => {
    expect(stretches(fromSeries(told), 10).at(-1)).toEqual({ from: 9, to: 10, word: "B" });
  });

  it("of equal conditions are one stretch", () => {
    const columns = fromSeries(series({ start: [0, 5000], end: [5000, 8000], value: [[], []] }));
    expect(stretches(columns, 8)).toEqual([{ from: 0, to: 8, word: [] }]);
  });
});

describe("a view", () => {
  let now = 1_000_000;
  const view = (): TimeView => new TimeView({ last: 1000 * 60 }, () => now);

  it("that is live follows the present", () => {
    const one = view();
    now += 5000;
    one.tick();
    expect([one.end, one.span]).toEqual([now, 60_000]);
  });

  it("stops following when moved back, and goes live when it reaches the present", () => {
    const one = view();
    one.pan(-0.5);
    expect(one.live).toBe(false);
    expect(one.end).toBe(now - 30_000);
    one.pan(0.6);
    expect(one.live).toBe(true);
    expect(one.span).toBe(60_000);
  });

  it("zooms around the pointer, and never into the future", () => {
    const one = new TimeView({ start: 0, end: 100_000 }, () => now);
    one.zoom(0.5, 25_000);
    expect([one.start, one.end]).toEqual([12_500, 62_500]);
    one.zoom(100_000, 0);
    expect(one.end).toBeLessThanOrEqual(now);
  });
});

describe("ticks", () => {
  it("lie on round wall-clock times of the zone, across a change of clocks", () => {
    const start = Date.UTC(2026, 2, 7, 12);
    const { at } = ticks(start, start + 3 * 86_400_000, 4, "America/New_York");
    const local = (ms: number): string =>
      new Date(ms).toLocaleTimeString("en-GB", { timeZone: "America/New_York", hour: "2-digit", minute: "2-digit" });
    expect(at.map(local)).toEqual(["00:00", "00:00", "00:00"]);
  });

  it("are never more than asked for, from seconds to decades", () => {
    for (const span of [1e3, 6e4, 36e5, 864e5, 6e8, 3e9, 3e10, 6e11]) {
      const { at } = ticks(1.7e12, 1.7e12 + span, 8, "Europe/Berlin");
      expect(at.length).toBeGreaterThan(0);
      expect(at.length).toBeLessThanOrEqual(10);
      expect(at).toEqual([...at].sort((a, b) => a - b));
    }
  });
});
