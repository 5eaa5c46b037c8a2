import { decode, encode } from "@msgpack/msgpack";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { LiveClient, SILENCE_MS, type Socket } from "./client";

/** A socket whose other end is this test. */
class Line implements Socket {
  binaryType = "blob";
  readyState = 0;
  onopen: ((event: never) => unknown) | null = null;
  onmessage: ((event: never) => unknown) | null = null;
  onclose: ((event: never) => unknown) | null = null;
  sent: Record<string, unknown>[] = [];

  send(data: Uint8Array<ArrayBuffer>): void {
    this.sent.push(decode(data) as Record<string, unknown>);
  }
  close(): void {
    this.readyState = 3;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.({} as never);
  }
  say(message: Record<string, unknown>): void {
    this.onmessage?.({ data: encode(message).slice().buffer } as never);
  }
  cut(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code } as never);
  }
  subs(): Record<string, unknown>[] {
    return this.sent.filter((message) => message.t === "sub");
  }
}

let lines: Line[];
let client: LiveClient;
let refused: number;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  lines = [];
  refused = 0;
  const open = (): Line => {
    const line = new Line();
    lines.push(line);
    return line;
  };
  client = new LiveClient({ open, random: () => 0.5, refused: () => refused++ });
  client.start();
});
afterEach(() => {
  client.stop();
  vi.useRealTimers();
});

function live(line: Line): void {
  line.open();
  line.say({ t: "hello", now: Date.now() * 1000, position: 1, rev: 1 });
}

const row = (key: number, value: unknown, time = 5): unknown[] => [key, value, time, time, 0, true, null];

describe("a subscription", () => {
  it("is asked for when the socket opens, and fills the values from the snapshot", () => {
    const ready = vi.fn();
    client.subscribe({ twins: ["press-7"], depth: 2 }, ready);
    live(lines[0]!);
    expect(lines[0]!.subs()).toEqual([
      { t: "sub", s: 1, twins: ["press-7"], depth: 2, properties: null, headline: false, rate_hz: 4, after: null, epoch: "" },
    ]);
    lines[0]!.say({ t: "keys", s: 1, keys: [[0, "press-7", "oil_temperature"]] });
    lines[0]!.say({ t: "snap", s: 1, position: 10, values: [row(0, 42.5)] });
    expect(ready).toHaveBeenCalledOnce();
    expect(client.values.get("press-7", "oil_temperature")).toMatchObject({ value: 42.5, quality: "good", fresh: true });
  });

  it("keeps its keys apart from those of another", () => {
    client.subscribe({ twins: ["a"] });
    client.subscribe({ twins: ["b"] });
    live(lines[0]!);
    lines[0]!.say({ t: "keys", s: 1, keys: [[0, "a", "x"]] });
    lines[0]!.say({ t: "keys", s: 2, keys: [[0, "b", "y"]] });
    lines[0]!.say({ t: "delta", s: 2, position: 3, values: [row(0, 2)] });
    expect(client.values.get("a", "x")).toBeUndefined();
    expect(client.values.get("b", "y")?.value).toBe(2);
  });

  it("resumes after the last position it saw, once the socket is back", () => {
    client.subscribe({ twins: ["a"] });
    live(lines[0]!);
    lines[0]!.say({ t: "keys", s: 1, keys: [[0, "a", "x"]] });
    lines[0]!.say({ t: "delta", s: 1, position: 77, values: [row(0, 1)] });
    lines[0]!.cut();
    vi.advanceTimersByTime(600);
    live(lines[1]!);
    expect(lines[1]!.subs()[0]).toMatchObject({ s: 1, after: 77 });
  });

  it("resumes from what came whole, not from the middle of what belongs together", () => {
    client.subscribe({ twins: ["a"] });
    live(lines[0]!);
    lines[0]!.say({ t: "delta", s: 1, position: 77, values: [] });
    lines[0]!.say({ t: "delta", s: 1, position: 80, values: [], more: true });
    lines[0]!.cut();
    vi.advanceTimersByTime(600);
    live(lines[1]!);
    expect(lines[1]!.subs()[0]).toMatchObject({ after: 77 });
  });

  it("says in which epoch it saw its position, and forgets what a restored plant may never have said", () => {
    const changed = vi.fn();
    client.onRegistry(changed);
    client.subscribe({ twins: ["a"] });
    lines[0]!.open();
    lines[0]!.say({ t: "hello", now: 0, position: 1, rev: 1, epoch: "first" });
    lines[0]!.say({ t: "keys", s: 1, keys: [[0, "a", "x"]] });
    lines[0]!.say({ t: "delta", s: 1, position: 77, values: [row(0, 1)] });
    for (const turn of [1, 2]) {
      lines[turn - 1]!.cut();
      vi.advanceTimersByTime(6_000);
      lines[turn]!.open();
      lines[turn]!.say({ t: "hello", now: 0, position: 50, rev: 1, epoch: "second" });
      expect(lines[turn]!.subs()[0]).toMatchObject({ after: 77, epoch: "first" });
      expect(client.values.get("a", "x")).toBeUndefined();
    }
    expect(changed).toHaveBeenCalledOnce();
    lines[2]!.say({ t: "reset", s: 1, epoch: "second" });
    lines[2]!.say({ t: "keys", s: 1, keys: [[0, "a", "x"]] });
    lines[2]!.say({ t: "snap", s: 1, position: 51, values: [row(0, 2)] });
    expect(client.values.get("a", "x")?.value).toBe(2);
    lines[2]!.cut();
    vi.advanceTimersByTime(6_000);
    lines[3]!.open();
    expect(lines[3]!.subs()[0]).toMatchObject({ after: 51, epoch: "second" });
  });

  it("that was ended is not asked for again", () => {
    const end = client.subscribe({ twins: ["a"] });
    live(lines[0]!);
    end();
    expect(lines[0]!.sent.at(-1)).toEqual({ t: "unsub", s: 1 });
    lines[0]!.cut();
    vi.advanceTimersByTime(600);
    live(lines[1]!);
    expect(lines[1]!.subs()).toEqual([]);
  });

  it("tells why it was refused", () => {
    const refusal = vi.fn();
    client.subscribe({ twins: ["secret"] }, undefined, refusal);
    live(lines[0]!);
    lines[0]!.say({ t: "error", s: 1, code: "denied", detail: "you may not read secret" });
    expect(refusal).toHaveBeenCalledWith("denied", "you may not read secret");
  });
});

describe("a value", () => {
  beforeEach(() => {
    client.subscribe({ twins: ["a"] });
    live(lines[0]!);
    lines[0]!.say({ t: "keys", s: 1, keys: [[0, "a", "x"]] });
    lines[0]!.say({ t: "snap", s: 1, position: 1, values: [row(0, 1)] });
  });

  it("is told at most four times a second, the newest one", () => {
    const heard: unknown[] = [];
    client.values.listen("a", "x", (now) => heard.push(now.value));
    for (let i = 0; i < 50; i++) {
      lines[0]!.say({ t: "delta", s: 1, position: 2 + i, values: [row(0, i, 10 + i)] });
      vi.advanceTimersByTime(20);
    }
    vi.advanceTimersByTime(250);
    expect(heard.length).toBeLessThanOrEqual(5);
    expect(heard.at(-1)).toBe(49);
  });

  it("goes stale without a new value", () => {
    lines[0]!.say({ t: "fresh", s: 1, items: [[0, false, 123]] });
    expect(client.values.get("a", "x")).toMatchObject({ value: 1, fresh: false, staleSince: 123 });
  });

  it("is forgotten with its twin", () => {
    lines[0]!.say({ t: "gone", s: 1, twins: ["a"] });
    expect(client.values.get("a", "x")).toBeUndefined();
  });

  it("is replaced by the snapshot that follows a gap", () => {
    lines[0]!.say({ t: "gap", s: 1, from: 2, to: 900 });
    lines[0]!.say({ t: "snap", s: 1, position: 900, values: [row(0, 99, 50)] });
    expect(client.values.get("a", "x")?.value).toBe(99);
  });
});

describe("the connection", () => {
  it("comes back with growing pauses, and says since when it is lost", () => {
    live(lines[0]!);
    lines[0]!.cut();
    expect(client.status).toMatchObject({ state: "waiting", lost: Date.now() });
    for (const pause of [500, 1000, 2000, 4000, 8000, 15000, 15000]) {
      const before = lines.length;
      vi.advanceTimersByTime(pause - 1);
      expect(lines.length).toBe(before);
      vi.advanceTimersByTime(1);
      expect(lines.length).toBe(before + 1);
      lines.at(-1)!.cut();
    }
    expect(client.status.lost).toBe(1_000_000);
  });

  it("begins with the short pause again after it was open", () => {
    live(lines[0]!);
    lines[0]!.cut();
    vi.advanceTimersByTime(500);
    lines[1]!.cut();
    vi.advanceTimersByTime(1000);
    live(lines[2]!);
    expect(client.status).toMatchObject({ state: "open", lost: null });
    lines[2]!.cut();
    vi.advanceTimersByTime(500);
    expect(lines.length).toBe(4);
  });

  it("that went silent without closing is given up", () => {
    live(lines[0]!);
    vi.advanceTimersByTime(SILENCE_MS + 10_000);
    expect(client.status.state).not.toBe("open");
    expect(lines.length).toBeGreaterThan(1);
  });

  it("is tried at once when asked to hurry", () => {
    live(lines[0]!);
    lines[0]!.cut();
    client.hurry();
    expect(lines.length).toBe(2);
  });

  it("closed for want of a session says so", () => {
    live(lines[0]!);
    lines[0]!.cut(4401);
    expect(refused).toBe(1);
  });

  it("knows the server's clock", () => {
    lines[0]!.open();
    lines[0]!.say({ t: "hello", now: (Date.now() + 5000) * 1000, position: 1, rev: 1 });
    expect(client.now() - Date.now()).toBe(5000);
  });
});
