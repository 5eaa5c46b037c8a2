/** One property's history as charts need it: decimated columns from the platform, live values behind them, gaps kept open. */

import type { Series } from "../api/model";

/**
 * Numbers: `low ≤ mid ≤ high` of each bucket (equal for single readings), `last` is what holds after it. Others: `word` per
 * change. Times in ms; a bucket lasts `width` ms, a single reading 0.
 */
export interface Columns {
  width: number;
  time: number[];
  low: (number | null)[];
  mid: (number | null)[];
  high: (number | null)[];
  last: (number | null)[];
  word: unknown[];
  gaps: [number, number][];
}

export const EMPTY: Columns = { width: 0, time: [], low: [], mid: [], high: [], last: [], word: [], gaps: [] };

const toNumber = (value: unknown): number | null =>
  typeof value === "number" ? value : typeof value === "boolean" ? Number(value) : null;

export function fromSeries(series: Series): Columns {
  const { time, value, min, max, mean, last, start, end } = series.columns;
  if (start) return fromStates(start, end ?? [], value ?? [], series.gaps);
  const single = value ?? last ?? mean ?? [];
  const low = min ?? single.map(toNumber);
  const high = max ?? single.map(toNumber);
  const mid = mean ?? (single.length ? single.map(toNumber) : low.map((v, i) => middle(v, high[i] ?? null)));
  const times = (time ?? []).map((us) => us / 1000);
  return begun(series, {
    width: value ? 0 : (series.resolution_s ?? 0) * 1000,
    time: times,
    low,
    mid,
    high,
    last: last ? last.map(toNumber) : mid,
    word: value ?? last ?? mid,
    gaps: open(series.gaps, times.at(-1) ?? -Infinity),
  });
}

/** The value that held when the range began is its first row: a source that reports changes may have been silent since. */
function begun({ before, start }: Series, columns: Columns): Columns {
  const from = Date.parse(start);
  const { time, low, mid, high, last, word } = columns;
  if (before?.value == null || (time[0] ?? Infinity) <= from) return columns;
  time.unshift(from);
  for (const column of new Set([low, mid, high, last, word])) column.unshift(before.value);
  return columns;
}

function fromStates(start: number[], end: number[], value: unknown[], known: [number, number][]): Columns {
  const time = start.map((us) => us / 1000);
  const numbers = value.map(toNumber);
  const holes = time.flatMap((_, i): [number, number][] => {
    const [until, next] = [end[i]! / 1000, time[i + 1]];
    return next !== undefined && next - until > 1 ? [[until, next]] : [];
  });
  const trailing = open(known, time.at(-1) ?? -Infinity).filter(([from]) => from >= (time.at(-1) ?? -Infinity));
  return { width: 0, time, low: numbers, mid: numbers, high: numbers, last: numbers, word: value, gaps: [...holes, ...trailing] };
}

/** µs → ms; a gap after the last reading is open: only a reading closes it. */
function open(gaps: readonly [number, number][], last: number): [number, number][] {
  return gaps.map(([from, to]) => [from / 1000, to / 1000 > last ? Infinity : to / 1000]);
}

const middle = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : (a + b) / 2);

/** Adds a live value; an unavailable one (null) opens a gap, the next value closes it. Out-of-order values are left to the next read. */
export function append(columns: Columns, time: number, value: unknown): void {
  const last = columns.time.at(-1) ?? -Infinity;
  if (time <= last) return;
  const gap = columns.gaps.at(-1);
  if (value === null || value === undefined) {
    if (!gap || gap[1] < time) columns.gaps.push([time, Infinity]);
    return;
  }
  if (gap && gap[1] > time) gap[1] = time;
  const number = toNumber(value);
  columns.time.push(time);
  columns.low.push(number);
  columns.mid.push(number);
  columns.high.push(number);
  columns.last.push(number);
  columns.word.push(value);
}

/** The last row at or before `at`, or -1; -1 too inside a gap. */
export function indexAt(columns: Columns, at: number): number {
  if (columns.gaps.some(([from, to]) => from <= at && at < to)) return -1;
  let low = 0;
  let high = columns.time.length;
  while (low < high) {
    const half = (low + high) >> 1;
    if (columns.time[half]! <= at) low = half + 1;
    else high = half;
  }
  return low - 1;
}

export type Aligned = [number[], (number | null)[], (number | null)[], (number | null)[]];

/** Columns for uPlot: [seconds, mid, low, high], values held until their gap begins or until `held`, null inside gaps. */
export function aligned(columns: Columns, held: number): Aligned {
  const out: Aligned = [[], [], [], []];
  const put = (time: number, mid: number | null, low: number | null, high: number | null): void => {
    out[0].push(time / 1000);
    out[1].push(mid);
    out[2].push(low);
    out[3].push(high);
  };
  let next = 0;
  const end = (from: number, until: number, last: number | null): void => {
    // The envelope belongs to its bucket alone; what holds until the next one is the bucket's last value.
    if (columns.width > 0 && last !== null && until > from + columns.width * 1.01) put(from + columns.width, last, last, last);
  };
  const open = (until: number): void => {
    for (; next < columns.gaps.length && columns.gaps[next]![0] < until; next++) {
      const from = columns.gaps[next]![0];
      const last = out[1].at(-1) ?? null;
      if (last !== null && from > out[0].at(-1)! * 1000) put(from, last, last, last);
      if (out[0].length) put(Math.max(from, out[0].at(-1)! * 1000) + 0.001, null, null, null);
    }
  };
  columns.time.forEach((time, i) => {
    open(time);
    put(time, columns.mid[i] ?? null, columns.low[i] ?? null, columns.high[i] ?? null);
    const gap = columns.gaps[next]?.[0] ?? Infinity;
    end(time, Math.min(columns.time[i + 1] ?? held, gap, held), columns.last[i] ?? null);
  });
  open(held);
  const last = out[1].at(-1) ?? null;
  if (last !== null && held > out[0].at(-1)! * 1000) put(held, last, last, last);
  return out;
}

export interface Stretch {
  from: number;
  to: number;
  word: unknown;
}

/** Stretches of equal words, up to `held`, gaps left out. */
export function stretches(columns: Columns, held: number): Stretch[] {
  const found: Stretch[] = [];
  const add = (from: number, to: number, word: unknown): void => {
    if (to <= from || word === null || word === undefined) return;
    const last = found.at(-1);
    if (last && last.to === from && same(last.word, word)) last.to = to;
    else found.push({ from, to, word });
  };
  let next = 0;
  columns.time.forEach((time, i) => {
    const until = Math.min(columns.time[i + 1] ?? held, held);
    while (next < columns.gaps.length && columns.gaps[next]![1] <= time) next++;
    let from = time;
    for (let g = next; g < columns.gaps.length && columns.gaps[g]![0] < until; g++) {
      add(from, columns.gaps[g]![0], columns.word[i]);
      from = Math.max(from, columns.gaps[g]![1]);
    }
    add(from, until, columns.word[i]);
  });
  return found;
}

const same = (a: unknown, b: unknown): boolean => a === b || (typeof a === "object" && JSON.stringify(a) === JSON.stringify(b));
