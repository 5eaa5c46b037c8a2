/** Many lines that say one thing, as one. Pure. */

import type { Happening } from "./happening";

const TOGETHER_MS = 1000;

/**
 * What one source's silence or return did to a machine and its parts (`freshness.…`, the source as title), as one line about
 * the whole; `tell` words how many parts. The newest first, as it comes.
 */
export function together(list: readonly Happening[], tell: (parts: number) => string): Happening[] {
  const found: (Happening & { parts: number })[] = [];
  const open = new Map<string, Happening & { parts: number }>();
  for (const one of list) {
    const key = one.kind.startsWith("freshness.") && one.title ? `${one.kind} ${one.title}` : "";
    const whole = key ? open.get(key) : undefined;
    if (whole && whole.time - one.time < TOGETHER_MS) {
      whole.parts++;
      if (one.twin.length < whole.twin.length) Object.assign(whole, { twin: one.twin, href: one.href });
    } else {
      const copy = { ...one, parts: 0 };
      found.push(copy);
      if (key) open.set(key, copy);
    }
  }
  return found.map(({ parts, ...one }) => (parts ? { ...one, title: `${one.title}, ${tell(parts)}` } : one));
}
