/** In which units this reader sees what types declare in others. Kept by the browser; what is sent stays in declared units. */

import { all } from "../api/http";
import type { Kind, PropertyType, Series } from "../api/model";
import type { Read } from "../charts/track";
import { same, scaleOf, SYSTEMS, toShown, type Choice, type Scale, type Unit } from "../format/scale";
import type { Now } from "../live/values";

const KEPT = "gemel.units";

class Units {
  choice = $state.raw<Choice>(kept());
  /** Those of this plant that can be shown in others. */
  known = $state.raw<ReadonlyMap<string, Unit>>(new Map());

  /** What types declare may have changed. Without an answer everything is shown as declared. */
  async read(): Promise<void> {
    const found = await all<Unit>("/units").catch(() => []);
    this.known = new Map(found.map((one) => [one.unit, one]));
  }

  choose(choice: Choice): void {
    this.choice = choice;
    localStorage.setItem(KEPT, JSON.stringify(choice));
  }

  of(code: string): Scale {
    const unit = this.known.get(code);
    return unit ? scaleOf(unit, this.choice) : same(code);
  }

  /** Whole numbers and whatever is no number stay as they are. */
  ofProperty({ kind, unit }: { kind: Kind; unit: string }): Scale {
    return kind === "number" ? this.of(unit) : same(unit);
  }
}

function kept(): Choice {
  try {
    const { system, each } = JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Partial<Choice>;
    return { system: SYSTEMS.find((one) => one === system) ?? "declared", each: each ?? {} };
  } catch {
    return { system: "declared", each: {} };
  }
}

export const units = new Units();

/** A history of numbers, on another scale. */
export function readShown(read: Read, scale: Scale): Read {
  const one = <T>(value: T): T | number => (typeof value === "number" ? toShown(value, scale) : value);
  return async (...asked) => {
    const series = await read(...asked);
    const { value, min, max, mean, last, ...times } = series.columns;
    const shown = Object.fromEntries(Object.entries({ value, min, max, mean, last }).map(([name, column]) => [name, column?.map(one)]));
    const before = series.before && { ...series.before, value: one(series.before.value) };
    return { ...series, before, columns: { ...times, ...shown } } as Series;
  };
}

/** A live number, on another scale. */
export const nowShown = (now: Now, scale: Scale): Now => (typeof now.value === "number" ? { ...now, value: toShown(now.value, scale) } : now);

export const bandShown = (property: PropertyType, scale: Scale): [number, number] | null =>
  property.normal && [toShown(property.normal[0], scale), toShown(property.normal[1], scale)];
