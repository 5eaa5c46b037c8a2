/** Items that were seen on this device: what a search finds while there is no connection. */

import { offline } from "../offline/offline.svelte";
import { findItems, flat, NOW, readTree, type Item, type Node } from "./model";

const MOST_STORES = 10;
let fetched = false;

/** Has the stores and what is in them kept, once: spare parts are what is looked for out there. */
export async function keepStores(): Promise<void> {
  if (fetched || !offline.possible) return;
  fetched = true;
  try {
    const { items } = await findItems({ kind: "location", limit: 100 });
    await Promise.all(items.slice(0, MOST_STORES).map(({ item }) => readTree(item.id, NOW)));
  } catch {
    fetched = false;
  }
}

export async function seenItems(q: string): Promise<Item[]> {
  const trees = await offline.kept<Node>(/\/tree\?plans=true$/);
  const items = new Map(trees.flatMap(flat).map(({ item }) => [item.id, item]));
  const wanted = q.toLowerCase();
  return [...items.values()].filter((one) => [one.id, one.serial, one.lot, one.part, one.maker].some((text) => text.toLowerCase().includes(wanted)));
}
