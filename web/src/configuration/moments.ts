/** The moments at which something changed, of the world and of our knowing, and steps from one to the next. Pure. */

import { toMs } from "../format/time";
import type { Act } from "./model";

/** A moment as it was written: microseconds count, so the text is kept beside the milliseconds. */
export interface Moment {
  ms: number;
  text: string;
}

export interface Told {
  act: Act;
  happened: Moment;
  known: Moment;
  /** It says that something said before was otherwise. */
  amends: boolean;
}

export const momentOf = (text: string): Moment => ({ ms: toMs(text) ?? 0, text });

export const toldOf = (acts: readonly Act[]): Told[] =>
  acts.map((act) => ({ act, happened: momentOf(act.time), known: momentOf(act.recorded), amends: act.amends !== null }));

/** Each moment once, in order. */
export function marks(moments: readonly Moment[]): Moment[] {
  const found = new Map(moments.map((one) => [one.text, one]));
  return [...found.values()].sort((a, b) => a.ms - b.ms || a.text.localeCompare(b.text));
}

/** The next mark before or after a moment; null: none before, or now. */
export function step(list: readonly Moment[], from: Moment | null, direction: 1 | -1): Moment | null {
  if (direction < 0) return list.filter((one) => !from || isBefore(one, from)).at(-1) ?? from;
  return from ? (list.find((one) => isBefore(from, one)) ?? null) : null;
}

/** The mark within `reach` ms of a moment, the nearest one. */
export function near(list: readonly Moment[], ms: number, reach: number): Moment | undefined {
  const close = list.filter((one) => Math.abs(one.ms - ms) <= reach);
  return close.sort((a, b) => Math.abs(a.ms - ms) - Math.abs(b.ms - ms))[0];
}

const isBefore = (a: Moment, b: Moment): boolean => a.ms < b.ms || (a.ms === b.ms && a.text < b.text && a.text.length === b.text.length);

/** From the first thing that is told to now, with room at both ends; a day at least. */
export function reachOf(told: readonly Told[], present: number, more: readonly (string | null)[] = []): { start: number; end: number } {
  const others = more.flatMap((one) => toMs(one) ?? []);
  const all = [present, ...others, ...told.flatMap((one) => [one.happened.ms, one.known.ms])];
  const [first, last] = [Math.min(...all), Math.max(...all)];
  const room = Math.max(last - first, 86_400_000) * 0.02;
  return { start: first - room, end: last + room };
}
