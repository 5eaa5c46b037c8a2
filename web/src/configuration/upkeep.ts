/** How the configuration of one machine is kept up: what is promised of it, how it stands, and what confirms it. */

import { get } from "../api/http";
import { itemPath, shown, type Difference, type SlotState } from "./model";

export type Every = "" | "month" | "quarter" | "year";

export const EVERY: readonly Every[] = ["", "month", "quarter", "year"];

export interface Standing {
  root: string;
  promise: { within_days: number; every: Every };
  /** When the slot that was longest not looked at was confirmed; null: one never was. */
  confirmed: string | null;
  age_days: number | null;
  state: "kept" | "broken" | "never";
  broken_since: string | null;
  next_snapshot: string | null;
}

export interface Snapshot {
  number: number;
  valid: string;
  title: string;
  items: number;
  hash: string;
}

export interface Upheld {
  standing: Standing;
  last_snapshot: Snapshot | null;
  /** Translations by which events of its twin become operations; null: they are not shared with who looks. */
  events: string[] | null;
  refused: number | null;
  may: boolean;
}

/** Null: it is not shared with who looks. */
export const readUpheld = (id: string, signal?: AbortSignal): Promise<Upheld | null> => shown<Upheld | null>(get<Upheld>(`${itemPath(id)}/upkeep`, {}, signal), null);

export const readChanged = (snapshot: number): Promise<Difference[]> => get(`/snapshots/${snapshot}/difference`);

/** The slots that are confirmed or have to be, those that wait the longest first; never comes before all. */
export function oldest(slots: readonly SlotState[], most: number): SlotState[] {
  const counted = slots.filter((one) => one.confirmed !== null || one.mandatory || one.safety || one.holding === "differs");
  return counted.sort((a, b) => (a.confirmed ?? "").localeCompare(b.confirmed ?? "")).slice(0, most);
}

/** How much of the promised time is over, from 0 to 1; null where nothing is promised, or never confirmed. */
export function spent({ promise, age_days }: Standing): number | null {
  return promise.within_days > 0 && age_days !== null ? Math.min(1, age_days / promise.within_days) : null;
}

/** Worth a card: something is promised, or it is a machine, with parts or places for them, of which something could be. */
export const worth = (upheld: Upheld | null, machine: boolean): boolean => upheld !== null && (upheld.standing.promise.within_days > 0 || upheld.standing.promise.every !== "" || machine);
