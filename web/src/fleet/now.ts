/** How a machine is at this moment, from the live values of its refs. */

import type { Condition } from "../api/model";
import { titleOf } from "../format/words";
import { toMs } from "../format/time";
import { stateClass, type StateClass } from "../format/state";
import type { Now } from "../live/values";
import type { Machine, Ref } from "./machine";

export interface Standing {
  /** The state's value; null when unknown. */
  word: unknown;
  state: StateClass;
  /** Since when it is in this state, ms. */
  since: number | null;
  /** When anything of it was last told, ms. */
  seen: number | null;
  /** Its state is no longer confirmed, since (ms). */
  stale: number | null;
  /** Any of its values is available. */
  told: boolean;
  conditions: (Condition & { twin: string })[];
}

export type Reader = (twin: string, property: string) => Now | undefined;

export function standing(machine: Machine, read: Reader): Standing {
  const of = (ref: Ref | null): Now | undefined => (ref ? read(ref.twin, ref.property.name) : undefined);
  const main = of(machine.state);
  const others = [machine.program, ...machine.headlines, ...machine.conditions].map(of).filter((now) => now !== undefined);
  const known = main ? [main, ...others] : others;
  const told = known.filter((now) => now.quality !== "unavailable");
  const stale = main ? (main.fresh ? null : (main.staleSince ?? main.time)) : null;
  const conditions = machine.conditions.flatMap((ref) => {
    const now = of(ref);
    return Array.isArray(now?.value) ? (now.value as Condition[]).map((one) => ({ ...one, twin: ref.twin })) : [];
  });
  for (const ref of machine.stops) {
    const now = of(ref);
    if (String(now?.value).toUpperCase() === "TRIGGERED") {
      const since = new Date(now!.changed / 1000).toISOString();
      conditions.push({ level: "fault", text: titleOf(ref.property), since, twin: ref.twin });
    }
  }
  conditions.sort((a, b) => order(a) - order(b) || (toMs(b.since) ?? 0) - (toMs(a.since) ?? 0));
  const word = main && main.quality !== "unavailable" ? main.value : null;
  return {
    word,
    state: machine.state ? stateClass(word) : told.length ? "ready" : "none",
    since: main ? main.changed / 1000 : null,
    seen: known.length ? Math.max(...known.map((now) => now.time)) / 1000 : null,
    stale: stale === null ? null : stale / 1000,
    told: told.length > 0,
    conditions,
  };
}

const order = (condition: Condition): number => (condition.level === "fault" ? 0 : 1);
