/** A configuration as lines of a list: what each slot holds, what is missing or unknown, what is wrong with it. Pure. */

import type { Item, Nonconformance, Node, Running, SlotState } from "./model";

/** How far a limit is used up. */
export interface Life {
  item: string;
  kind: string;
  used: number;
  limit: number;
  /** Past a hard one it is not installed any more. */
  hard: boolean;
  /** For so many seconds of its life nobody told how much it was used: it may be more. */
  untold_s: number;
}

export interface Row {
  key: string;
  depth: number;
  slot: string;
  /** What has the slot. */
  parent: Item | null;
  node: Node | null;
  /** The software that its parent runs there: such a row has no node. */
  runs: Running | null;
  /** What is known of the slot. */
  state: SlotState | null;
  open: Nonconformance[];
  life: Life[];
  /** How many parts are in it, at any depth. */
  inside: number;
}

export interface About {
  slots: readonly SlotState[];
  open: readonly Nonconformance[];
  life: readonly Life[];
}

export function rowsOf(tree: Node, { slots, open, life }: About): Row[] {
  const found: Row[] = [];
  const walk = (node: Node, parent: Item | null, depth: number): number => {
    const slot = node.path.at(-1) ?? "";
    const row: Row = {
      key: `${node.path.join("/")}:${node.item.id}`,
      depth,
      slot,
      parent,
      node,
      runs: null,
      state: slots.find((one) => parent && node.planned !== "install" && one.parent === parent.id && one.path.at(-1) === slot && (!one.item || one.item === node.item.id)) ?? null,
      open: open.filter((one) => one.state !== "closed" && (one.item === node.item.id || (parent !== null && !one.item && one.parent === parent.id && one.slot === slot))),
      life: life.filter((one) => one.item === node.item.id),
      inside: 0,
    };
    found.push(row);
    const held = new Set(node.parts.filter((part) => part.planned !== "install").map((part) => part.path.at(-1)));
    const ours = slots.filter((one) => one.parent === node.item.id);
    const software = node.software ?? [];
    const gaps = ours.filter((one) => !held.has(one.path.at(-1)) && !(one.kind === "software" && software.some(({ slot }) => slot === one.path.at(-1))));
    const inside: { slot: string; part?: Node; runs?: Running }[] = [
      ...gaps.map(({ path }) => ({ slot: path.at(-1)! })),
      ...software.map((runs) => ({ slot: runs.slot, runs })),
      ...node.parts.map((part) => ({ slot: part.path.at(-1)!, part })),
    ];
    inside.sort((a, b) => a.slot.localeCompare(b.slot, undefined, { numeric: true }));
    for (const { slot: name, part, runs = null } of inside) {
      if (part) {
        row.inside += 1 + walk(part, node.item, depth + 1);
        continue;
      }
      const state = ours.find((one) => one.path.at(-1) === name && !one.item && (!runs || one.kind === "software")) ?? null;
      const wrong = runs && !state ? [] : open.filter((one) => one.state !== "closed" && one.parent === node.item.id && one.slot === name);
      found.push({ key: `${row.key}/${name}${runs ? "~" : ""}`, depth: depth + 1, slot: name, parent: node.item, node: null, runs, state, open: wrong, life: [], inside: 0 });
    }
    return row.inside;
  };
  walk(tree, null, 0);
  return found;
}

/** What is seen while some rows are folded, or only some are asked for; what is found stands with what it is in. */
export function seenRows(rows: readonly Row[], folded: ReadonlySet<string>, q: string): Row[] {
  const wanted = q.trim().toLowerCase();
  if (wanted) {
    const kept = new Set<Row>();
    const above: Row[] = [];
    for (const row of rows) {
      above.length = row.depth;
      above[row.depth] = row;
      if (textOf(row).includes(wanted)) for (const one of above) kept.add(one);
    }
    return rows.filter((row) => kept.has(row));
  }
  let under = Infinity;
  return rows.filter((row) => {
    if (row.depth > under) return false;
    under = folded.has(row.key) ? row.depth : Infinity;
    return true;
  });
}

const textOf = ({ slot, node, runs }: Row): string =>
  [slot, runs?.part ?? "", runs?.version ?? "", ...(node ? [node.item.id, node.item.part, node.item.serial, node.item.lot, node.item.maker] : [])].join("\n").toLowerCase();

/** The share of a limit that is used, 0 to 1, and how that stands. */
export function standingOf({ used, limit, hard }: Pick<Life, "used" | "limit" | "hard">): { share: number; level: "fault" | "warning" | null } {
  const share = limit > 0 ? used / limit : 1;
  return { share: Math.min(1, Math.max(0, share)), level: share >= 1 ? (hard ? "fault" : "warning") : share >= 0.9 ? "warning" : null };
}
