/** The few matches that fit a list under a search field: what is exactly meant first, machines before their parts. */

import type { Twin } from "../api/model";
import { isOwn } from "./own";

const MOST = 9;

export function best(found: readonly Twin[], q: string): Twin[] {
  const wanted = q.toLowerCase();
  const rank = (twin: Twin): number => {
    const names = [twin.id, twin.name, twin.serial, ...twin.aliases].map((name) => name.toLowerCase());
    if (names.includes(wanted)) return 0;
    if (isOwn(twin)) return 4;
    if (names.some((name) => name.startsWith(wanted))) return twin.id.includes(".") ? 2 : 1;
    return 3;
  };
  return [...found].sort((a, b) => rank(a) - rank(b) || a.id.length - b.id.length || a.id.localeCompare(b.id)).slice(0, MOST);
}
