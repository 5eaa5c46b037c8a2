import { expect, it } from "vitest";

import { fill, type Key } from "../i18n/texts";
import { happened } from "./happened";

const told = (kind: string, body: Record<string, unknown>) => happened(kind, body, (key: Key, holes = {}) => fill("en", key, holes));
const FIRMWARE = { part: "CD-FW", version: "2.1.0", before: "2.0.0", campaign: "campaign-1" };

it("an update says which software, how far it came and why", () => {
  const body = { ...FIRMWARE, reason: "device", detail: "the memory is write protected", order: "order-1" };
  expect(told("update.failed", body)).toEqual({ level: "warning", title: "CD-FW 2.1.0", text: "has not worked: the memory is write protected" });
  expect(told("update.rolled_back", FIRMWARE)?.text).toBe("reports 2.0.0 again");
});

it("a campaign has its title; it is a warning when it pauses by itself", () => {
  const body = { part: "CD-FW", version: "2.1.0", title: "Softer ramps", reason: "errors", detail: "2 of 6 failed" };
  expect(told("campaign.paused", body)).toEqual({ level: "warning", title: "Softer ramps", text: "campaign paused: 2 of 6 failed" });
  expect(told("campaign.paused", { ...body, reason: "person", detail: "" })).toMatchObject({ level: null, text: "campaign paused" });
});

it("an act of an item says what is where", () => {
  const operation = { do: "install", child: "B-1", parent: "D-1", slot: "board", at: 1 };
  expect(told("item.installed", { act: 24, items: ["B-1", "D-1"], operation })).toEqual({ level: null, title: "Installed", text: "D-1 · board" });
  const reported = { do: "report", item: "D-1", slot: "firmware", version: "2.1.0" };
  expect(told("item.reported", { operation: reported })).toMatchObject({ title: "Software reported", text: "firmware: 2.1.0" });
});

it("books and imports are told by what is in them; what has no words of its own is told by its name", () => {
  expect(told("parts.applied", { changed: ["TP-100", "CP-40"], removed: [] })).toMatchObject({ title: "Parts book changed", text: "TP-100, CP-40" });
  expect(told("thread.imported", { act: 1, records: 19, links: 3 })?.text).toBe("19 records");
  expect(told("thread.put_right", {})?.title).toBe("Put right");
  expect(told("twin.created", {})).toBeNull();
});
