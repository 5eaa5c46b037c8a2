/** Values of several machines: where a key of the address is found, and what stands beside it elsewhere. Pure. */

import type { Part, PropertyType } from "../api/model";
import { flatten, type Ref } from "../fleet/machine";
import { nameOf } from "../format/words";
import { keyOf, titleOfPart } from "../twin/refs";

export type Trees = ReadonlyMap<string, Part>;
type PropertiesOf = (types: readonly string[]) => PropertyType[];
type TitleOf = (type: string) => string;

/** Every value of every machine by its key; `part` says the machine, too. */
export function refsOf(trees: Trees, propertiesOf: PropertiesOf, titleOf: TitleOf): Map<string, Ref> {
  const found = new Map<string, Ref>();
  for (const tree of trees.values()) {
    for (const one of flatten(tree)) {
      const part = one === tree ? nameOf(tree) : `${nameOf(tree)} › ${titleOfPart(one, one.types.map(titleOf))}`;
      for (const property of propertiesOf(one.types)) {
        const ref = { twin: one.id, part, property };
        found.set(keyOf(ref), ref);
      }
    }
  }
  return found;
}

/** The machine that is this twin, or that it is part of. */
export const machineWith = (id: string, trees: Trees): Part | undefined =>
  trees.get(id) ?? [...trees.values()].find((tree) => flatten(tree).some((part) => part.id === id));

/** The same property of the same part of the other machines: by the id below the machine, else by the part's name. */
export function beside(ref: Ref, trees: Trees, refs: ReadonlyMap<string, Ref>, most: number): Ref[] {
  const own = machineWith(ref.twin, trees);
  if (!own) return [];
  const name = flatten(own).find((part) => part.id === ref.twin)!.name;
  const found: Ref[] = [];
  for (const tree of trees.values()) {
    if (tree === own || found.length >= most) continue;
    const parts = flatten(tree);
    const twin =
      ref.twin === own.id ? tree.id : (parts.find((part) => part.id === tree.id + ref.twin.slice(own.id.length)) ?? parts.find((part) => part.name === name))?.id;
    const other = twin === undefined ? undefined : refs.get(keyOf({ twin, property: ref.property }));
    if (other && other.property.unit === ref.property.unit) found.push(other);
  }
  return found;
}
