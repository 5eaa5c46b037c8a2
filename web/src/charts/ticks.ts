/** Where a time axis has its marks, on round wall-clock times of the site's zone. */

import { offset_min } from "../format/time";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
// prettier-ignore
const STEPS = [1, 2, 5, 10, 15, 30].map((n) => n * SECOND)
  .concat([1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), [1, 2, 3, 6, 12].map((n) => n * HOUR), [1, 2, 7, 14].map((n) => n * DAY));
const MONTHS = [1, 3, 6, 12, 24, 60, 120];

export interface Ticks {
  step_ms: number;
  /** ms since the epoch, rising. */
  at: number[];
}

export function ticks(start: number, end: number, most: number, zone: string): Ticks {
  const wanted = (end - start) / Math.max(1, most);
  const step = STEPS.find((candidate) => candidate >= wanted);
  return step ? even(start, end, step, zone) : monthly(start, end, wanted / (30 * DAY), zone);
}

function even(start: number, end: number, step: number, zone: string): Ticks {
  const at: number[] = [];
  const ahead = offset_min(start, zone) * MINUTE;
  for (let wall = Math.ceil((start + ahead) / step) * step; wall - ahead <= end + HOUR; wall += step) {
    // Around a change of the clocks the same wall time lies elsewhere.
    const moment = step >= HOUR ? wall - offset_min(wall - ahead, zone) * MINUTE : wall - ahead;
    if (moment >= start && moment <= end) at.push(moment);
  }
  return { step_ms: step, at };
}

function monthly(start: number, end: number, months: number, zone: string): Ticks {
  const step = MONTHS.find((candidate) => candidate >= months) ?? 240;
  const at: number[] = [];
  const first = new Date(start);
  for (let n = Math.floor((first.getUTCFullYear() * 12 + first.getUTCMonth()) / step) * step; ; n += step) {
    const wall = Date.UTC(Math.floor(n / 12), n % 12, 1);
    const moment = wall - offset_min(wall, zone) * MINUTE;
    if (moment > end) break;
    if (moment >= start) at.push(moment);
  }
  return { step_ms: step * 30 * DAY, at };
}
