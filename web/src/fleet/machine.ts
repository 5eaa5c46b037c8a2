/** What an overview shows of a machine: where in its parts the state, the headline values and the conditions are. Pure. */

import type { Part, PropertyType, Twin } from "../api/model";
import type { Read } from "../charts/track";
import { stateClass } from "../format/state";
import { nameOf } from "../format/words";

/** One property of the machine or of one of its parts. */
export interface Ref {
  twin: string;
  part: string;
  property: PropertyType;
  /** Where its history does not come from one twin alone. */
  read?: Read;
}

export interface Machine {
  twin: Twin;
  state: Ref | null;
  program: Ref | null;
  headlines: Ref[];
  conditions: Ref[];
  /** Emergency stops: pressed is a fault. */
  stops: Ref[];
  /** All twins it consists of, itself first. */
  twins: string[];
}

const STATE_NAMES = ["execution", "state", "machine_state", "status", "program_status", "mode"];
const MOST_HEADLINES = 4;
/** Say nothing while all is well; when it is not, `standing` tells. */
const ALWAYS_SO = new Set(["availability", "emergency_stop"]);

export function flatten(part: Part): Part[] {
  return [part, ...part.parts.flatMap(flatten)];
}

export function machineOf(twin: Twin, tree: Part, propertiesOf: (types: readonly string[]) => PropertyType[]): Machine {
  const parts = flatten(tree);
  const refs = parts.flatMap((part) =>
    propertiesOf(part.types).map((property) => ({ twin: part.id, part: part.id === twin.id ? "" : nameOf(part), property })),
  );
  const shown = refs.filter((ref) => ref.property.headline && !ref.property.deprecated);
  const words = shown.filter(({ property }) => property.kind === "enumeration" || property.kind === "text");
  const named = (name: string): Ref | undefined => words.find((ref) => ref.property.name === name);
  const state = STATE_NAMES.map(named).find(Boolean) ?? words.find(({ property }) => tellsWork(property)) ?? null;
  const program = words.find((ref) => ref !== state && ref.property.name === "program") ?? null;
  const rest = shown.filter((ref) => ref !== state && ref !== program && ref.property.kind !== "condition");
  return {
    twin,
    state,
    program,
    headlines: rest,
    conditions: refs.filter((ref) => ref.property.kind === "condition"),
    stops: refs.filter((ref) => ref.property.name === "emergency_stop"),
    twins: parts.map((part) => part.id),
  };
}

/** An enumeration of which some value is work, or has no values declared: "passed" or "installing" is no state of a machine. */
function tellsWork({ kind, values }: PropertyType): boolean {
  return kind === "enumeration" && (!values?.length || values.some((value) => stateClass(value) === "active"));
}

/** Counts and speeds first, words last; of equal properties of several parts the first that has a value. */
export function shownHeadlines(refs: readonly Ref[], known: (ref: Ref) => boolean): Ref[] {
  const byTitle = new Map<string, Ref>();
  for (const ref of refs) {
    const title = ref.property.title || ref.property.name;
    if (!ALWAYS_SO.has(ref.property.name) && known(ref) && !byTitle.has(title)) byTitle.set(title, ref);
  }
  return [...byTitle.values()].sort((a, b) => rank(a) - rank(b)).slice(0, MOST_HEADLINES);
}

function rank({ property: { name, kind } }: Ref): number {
  if (kind === "enumeration" || kind === "text") return 3;
  return /part_count/.test(name) ? 0 : /velocity|feedrate|speed/.test(name) ? 1 : 2;
}

/** A root that only holds others (a site, a hall, a line): its types have no properties, or machines are located in it. */
export function isPlace(twin: Twin, properties: PropertyType[], targets: ReadonlySet<string>): boolean {
  return properties.length === 0 || targets.has(twin.id);
}

const GAP_PX = 16;
const ROOMY_PX = 330;
const NARROW_PX = 255;

/** How many columns for so many tiles: all in one row where they fit in it, else roomy ones in rows of about equal length. */
export function columnsFor(count: number, width_px: number): number {
  const fit = (least_px: number): number => Math.max(1, Math.floor((width_px + GAP_PX) / (least_px + GAP_PX)));
  if (count > fit(ROOMY_PX) && count <= fit(NARROW_PX)) return count;
  const most = fit(ROOMY_PX);
  // A few tiles keep a readable size instead of filling the whole width.
  return count <= most ? Math.min(most, Math.max(count, 3)) : Math.ceil(count / Math.ceil(count / most));
}

export interface Group<T> {
  place: Twin | null;
  members: T[];
}

/** Machines by the place they are located in (or part of); those without one come last. */
export function groups<T extends { twin: Twin }>(machines: readonly T[], places: readonly Twin[]): Group<T>[] {
  const members = new Map<string, T[]>(places.map((place) => [place.id, []]));
  const other: T[] = [];
  for (const machine of machines) {
    const place = machine.twin.links?.find((link) => link.source === machine.twin.id && members.has(link.target))?.target;
    (place === undefined ? other : members.get(place)!).push(machine);
  }
  const found = places.map((place): Group<T> => ({ place, members: members.get(place.id)! })).filter((group) => group.members.length > 0);
  return other.length ? [...found, { place: null, members: other }] : found;
}
