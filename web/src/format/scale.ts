/** A number in another unit than the declared one: shown = factor · declared + offset. Pure; the platform says the factors. */

export interface Scale {
  unit: string;
  factor: number;
  offset: number;
}

/** A declared unit and what else it can be shown in, as `GET /units` tells. */
export interface Unit {
  unit: string;
  metric: string;
  us: string;
  shown_in: Scale[];
}

export const SYSTEMS = ["declared", "metric", "us"] as const;

/** What a reader has chosen: a system, and for some declared units another one. */
export interface Choice {
  system: (typeof SYSTEMS)[number];
  each: Readonly<Record<string, string>>;
}

export const same = (unit: string): Scale => ({ unit, factor: 1, offset: 0 });

export function scaleOf(unit: Unit, { system, each }: Choice): Scale {
  const wanted = each[unit.unit] ?? (system === "declared" ? unit.unit : unit[system]);
  return unit.shown_in.find((one) => one.unit === wanted) ?? same(unit.unit);
}

export const toShown = (value: number, { factor, offset }: Scale): number => value * factor + offset;

/** What is sent: without the noise of the last digits, so that 176 °F are 80 °C. */
export const toDeclared = (value: number, { factor, offset }: Scale): number =>
  factor === 1 && offset === 0 ? value : Number(((value - offset) / factor).toPrecision(12));

/** A difference, or a rate, has no place on the scale. */
export const intervalShown = (value: number, { factor }: Scale): number => value * factor;
