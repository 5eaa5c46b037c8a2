/** Reads the machines of the overview: the roots, the composition of each, and the places they stand in. */

import { all, get, twinPath } from "../api/http";
import type { Part, PropertyType, Twin } from "../api/model";
import { isPlace, machineOf, type Machine } from "./machine";

/** Health of Gemel's own connectors has its own page. */
const OWN_TYPES = new Set(["gemel_connector"]);
const AT_ONCE = 6;

export interface Fleet {
  machines: Machine[];
  places: Twin[];
}

export async function loadFleet(propertiesOf: (types: readonly string[]) => PropertyType[], signal: AbortSignal): Promise<Fleet> {
  const roots = (await all<Twin>("/twins", { roots: true, include: "links" })).filter((twin) => !twin.types.some((id) => OWN_TYPES.has(id)));
  const targets = new Set(roots.flatMap((twin) => twin.links ?? []).filter((link) => link.kind === "located_in").map((link) => link.target));
  const places = roots.filter((twin) => isPlace(twin, propertiesOf(twin.types), targets));
  const alone = roots.filter((twin) => !places.includes(twin));
  const inside = await pooled(places, async (place) => membersOf(await partsOf(place.id, signal), place));
  const machines = await pooled([...alone.map((twin) => ({ twin, tree: null })), ...inside.flat()], async ({ twin, tree }) =>
    machineOf(twin, tree ?? (await partsOf(twin.id, signal)), propertiesOf),
  );
  machines.sort((a, b) => (a.twin.name || a.twin.id).localeCompare(b.twin.name || b.twin.id, undefined, { numeric: true }));
  return { machines, places };
}

const partsOf = (id: string, signal: AbortSignal): Promise<Part> => get<Part>(`${twinPath(id)}/parts`, {}, signal);

/** Machines that are *part of* a place (a line) instead of located in it. */
function membersOf(tree: Part, place: Twin): { twin: Twin; tree: Part | null }[] {
  return tree.parts.map((part) => ({
    tree: part,
    twin: {
      ...{ id: part.id, name: part.name, types: part.types, stage: part.stage, description: "", serial: "", aliases: [] },
      ...{ attributes: {}, revision: 0, links: [{ kind: "part_of", source: part.id, target: place.id, slot: part.slot }] },
    },
  }));
}

async function pooled<A, B>(items: readonly A[], work: (item: A) => Promise<B>): Promise<B[]> {
  const results: B[] = new Array(items.length);
  let next = 0;
  const run = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i]!);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, run));
  return results;
}
