/** Figures as people read them. */

import { number, reader, t, tOr } from "../i18n/index.svelte";
import { costOf, type Cost } from "../work/model";

/** "74.8 %", or that it is not known: never a number in its place. */
export const percent = (value: number | null | undefined): string =>
  value === null || value === undefined
    ? t("use.unknown")
    : new Intl.NumberFormat(reader.locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(value);
/** A difference of two shares, in percentage points. */
export const points = (value: number | null | undefined): string =>
  value === null || value === undefined
    ? "–"
    : t("use.points", { value: new Intl.NumberFormat(reader.locale, { signDisplay: "exceptZero", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(value * 100) });
export const hours = (seconds: number | null | undefined): string => (seconds === null || seconds === undefined ? t("use.unknown") : `${number(Math.round(seconds / 36) / 100)} h`);
export const count = (value: number | null): string => (value === null ? t("use.unknown") : number(value));
export const stateName = (state: string): string => tOr("use.state", state);
export const lossName = (name: string): string => tOr("use.loss", name);
export const kpiName = (name: string): string => tOr("use.kpi", name);
/** What downtime cost, each currency for itself; "–": there was none, or it is not told. */
export const cost = (told: Cost | null): string => (told ? costOf(told, reader.locale, (text) => t("use.cost.unpriced", { hours: text })) : "–");
