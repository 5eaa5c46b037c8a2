/** What is told of a configuration beside its tree: what is missing or unknown, what is wrong, how worn it is, what is planned. */

import { get, itemsOf } from "../api/http";
import type { Page } from "../api/model";
import { flat, itemPath, shown, type AsOf, type Completeness, type Node, type Nonconformance, type PartType, type Plan } from "./model";
import type { About, Life } from "./rows";

const MOST_WORN = 60;
const FRESH_MS = 60_000;

/** Which part numbers have life limits at all: the others need not be asked for. */
let limited: { at: number; parts: Promise<ReadonlySet<string>> } | null = null;

function partsWithLimits(): Promise<ReadonlySet<string>> {
  if (!limited || Date.now() - limited.at > FRESH_MS) {
    const parts = get<Page<PartType> | PartType[]>("/parts", { limit: 1000 }).then((page) => new Set(itemsOf(page).flatMap((one) => (one.limits?.length ? [one.part] : []))));
    limited = { at: Date.now(), parts };
    parts.catch(() => (limited = null));
  }
  return limited.parts;
}

async function readLife(tree: Node, asked: AsOf, signal: AbortSignal): Promise<Life[]> {
  const parts = await partsWithLimits();
  const worn = flat(tree).filter(({ item, planned }) => parts.has(item.part) && planned !== "install").slice(0, MOST_WORN);
  return (await Promise.all(worn.map(({ item }) => shown(get<Life[]>(`${itemPath(item.id)}/limits`, { ...asked }, signal), [])))).flat();
}

export async function readAbout(tree: Node, asked: AsOf, signal: AbortSignal): Promise<About & { plans: Plan[]; whole: Completeness | null }> {
  const path = itemPath(tree.item.id);
  const [whole, open, life, plans] = await Promise.all([
    shown<Completeness | null>(get<Completeness>(`${path}/completeness`, { ...asked }, signal), null),
    shown(get<Nonconformance[]>(`${path}/nonconformances`, { ...asked }, signal), []),
    shown(readLife(tree, asked, signal), []),
    shown(get<Plan[]>(`${path}/plans`, {}, signal), []),
  ]);
  return { slots: whole?.slots ?? [], whole, open, life, plans };
}
