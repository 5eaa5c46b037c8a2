/** The properties of a twin and its parts, as lists, as keys in an address, as groups. Pure. */

import type { Part, PropertyType } from "../api/model";
import { flatten, shownHeadlines, type Machine, type Ref } from "../fleet/machine";
import { nameOf } from "../format/words";

export interface Group {
  twin: string;
  title: string;
  path: string;
  refs: Ref[];
}

/** `part.id:property`; ids may hold colons, names may not. */
export const keyOf = (ref: { twin: string; property: { name: string } }): string => `${ref.twin}:${ref.property.name}`;

/** `property` alone means the twin's own. */
export function parseKey(text: string, own: string): [string, string] {
  const at = text.lastIndexOf(":");
  return at < 0 ? [own, text] : [text.slice(0, at), text.slice(at + 1)];
}

export const shortKey = (ref: Ref, own: string): string => (ref.twin === own ? ref.property.name : keyOf(ref));

export function groupsOf(tree: Part, propertiesOf: (types: readonly string[]) => PropertyType[], typeTitle: (id: string) => string): Group[] {
  const found: Group[] = [];
  const walk = (part: Part, path: string[]): void => {
    const properties = propertiesOf(part.types).filter((property) => !property.deprecated);
    const title = titleOfPart(part, part.types.map(typeTitle));
    const refs = properties.map((property) => ({ twin: part.id, part: path.length ? title : "", property }));
    if (refs.length) found.push({ twin: part.id, title, path: path.slice(1).join(" › "), refs });
    for (const child of part.parts) walk(child, [...path, title]);
  };
  walk(tree, []);
  return found;
}

/** "X" says little, "X · Linear axis" more; longer names stay as they are. */
export function titleOfPart(part: { id: string; name: string }, types: readonly string[]): string {
  const name = nameOf(part);
  return name.length > 3 || !types[0] ? name : `${name} · ${types[0]}`;
}

/** What to chart before anyone has chosen: the state and the first numbers that have data, headlines first. */
export function firstChoice(machine: Machine, groups: readonly Group[], hasData: (ref: Ref) => boolean): Ref[] {
  const numeric = ({ property }: Ref): boolean => property.kind === "number" || (property.kind === "integer" && property.headline);
  const state = machine.state ? [machine.state] : [];
  const own = groups.flatMap((group) => group.refs).filter(numeric);
  const order = [...shownHeadlines(machine.headlines.filter(numeric), hasData), ...own].filter((ref) => !/count/.test(ref.property.name));
  const some = order.filter(hasData);
  const unique = [...new Map((some.length ? some : order).map((ref) => [keyOf(ref), ref])).values()];
  return [...state, ...unique.slice(0, 3)];
}

export { flatten };
