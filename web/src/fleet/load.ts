/** Reads the machines of the overview: the roots, the composition of each, and the places they stand in. */

import { all } from "../api/http";
import type { Part, PropertyType, Twin } from "../api/model";
import { isOwn } from "../app/own";
import { isPlace, machineOf, type Machine } from "./machine";

export interface Fleet {
  machines: Machine[];
  places: Twin[];
  /** What each machine consists of, by its id. */
  trees: ReadonlyMap<string, Part>;
}

interface Root extends Twin {
  parts: Part[];
}

export async function loadFleet(propertiesOf: (types: readonly string[]) => PropertyType[], signal: AbortSignal): Promise<Fleet> {
  const found = await all<Root>("/twins", { roots: true, include: "links,parts", limit: 1000 }, { signal });
  const roots = found.filter((twin) => !isOwn(twin));
  const targets = new Set(roots.flatMap((twin) => twin.links ?? []).filter((link) => link.kind === "located_in").map((link) => link.target));
  const places = roots.filter((twin) => isPlace(twin, propertiesOf(twin.types), targets));
  const standing = new Set(places);
  const alone = roots.filter((twin) => !standing.has(twin)).map((twin) => ({ twin, tree: { ...twin, slot: "" } }));
  const members = [...alone, ...places.flatMap(membersOf)];
  const machines = members.map(({ twin, tree }) => machineOf(twin, tree, propertiesOf));
  const order = new Intl.Collator(undefined, { numeric: true });
  machines.sort((a, b) => order.compare(a.twin.name || a.twin.id, b.twin.name || b.twin.id));
  return { machines, places, trees: new Map(members.map(({ twin, tree }) => [twin.id, tree])) };
}

/** Machines that are *part of* a place (a line) instead of located in it. */
function membersOf(place: Root): { twin: Twin; tree: Part }[] {
  return place.parts.map((part) => ({
    tree: part,
    twin: {
      ...{ id: part.id, name: part.name, types: part.types, stage: part.stage, design_model: false, description: "", serial: "", aliases: [] },
      ...{ attributes: {}, revision: 0, links: [{ kind: "part_of", source: part.id, target: place.id, slot: part.slot }] },
    },
  }));
}
