/** The reader's language and the site's time zone, and everything formatted by them. */

import { humanise } from "../format/words";
import * as numbers from "../format/number";
import * as sizes from "../format/size";
import * as times from "../format/time";
import { fill, LANGUAGES, TEXTS, type Key, type Language } from "./texts";

function preferred(): Language {
  const chosen = localStorage.getItem("gemel.language");
  for (const tag of [chosen ?? "", ...navigator.languages]) {
    const short = tag.slice(0, 2);
    if (short in LANGUAGES) return short as Language;
  }
  return "en";
}

class Reader {
  language = $state<Language>(preferred());
  zone = $state("UTC");

  /** With the region of the browser where the language is the same: en-GB writes dates otherwise than en-US. */
  get locale(): string {
    return navigator.languages.find((tag) => tag.startsWith(this.language)) ?? this.language;
  }

  choose(language: Language): void {
    this.language = language;
    localStorage.setItem("gemel.language", language);
    document.documentElement.lang = language;
  }
}

export const reader = new Reader();
document.documentElement.lang = reader.language;

export const t = (key: Key, values?: Record<string, string | number>): string => fill(reader.language, key, values);

/** The text for `prefix.name` when there is one, else the name made readable. */
export function tOr(prefix: string, name: string): string {
  const key = `${prefix}.${name}` as Key;
  return key in TEXTS ? t(key) : humanise(name);
}

export const number = (value: number): string => numbers.number(value, reader.locale);
export const whole = (value: number): string => numbers.whole(value, reader.locale);
export const size = (bytes: number): string => sizes.size(bytes, reader.locale);
export const span = (ms: number): string => times.span(ms, reader.locale);
export const clock = (ms: number): string => times.clock(ms, reader.locale, reader.zone);
export const clockSeconds = (ms: number): string => times.clockSeconds(ms, reader.locale, reader.zone);
export const day = (ms: number): string => times.day(ms, reader.locale, reader.zone);
export const moment = (ms: number, now = Date.now()): string => times.moment(ms, now, reader.locale, reader.zone);
export const full = (ms: number): string => times.full(ms, reader.locale, reader.zone);
export const zoneName = (ms: number): string => times.zoneName(ms, reader.locale, reader.zone);
