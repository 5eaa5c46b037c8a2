/** The thread from one thing: what is reached, on which way, and where it lies on the screen. Pure. */

export interface ThreadNode {
  key: string;
  kind: string;
  id: string;
  sub: string;
  start: string | null;
  end: string | null;
  title: string;
  what: string;
  phase: string;
  url: string;
  status: string;
  /** Of an act: when it was. */
  time?: string | null;
}

export interface Step {
  link: number;
  kind: string;
  /** It is read so, from `source` to `target`. */
  phrase: string;
  source: string;
  target: string;
  back: boolean;
  act: number;
  origin: number | null;
  place: string;
}

export interface Reached {
  node: string;
  depth: number;
  path: Step[];
}

export interface Followed {
  start: string;
  nodes: Record<string, ThreadNode>;
  reached: Reached[];
  more: boolean;
  /** Of a part with more items than are told at once: asked for after this one, the answer goes on. */
  next: string;
  sources: Record<string, { number: number; name: string; sha256: string; size: number; kept: boolean; reader: string; recorded: string }>;
  said: Record<string, { number: number; what: string; recorded: string; actor: string }>;
}

/** What was out of tolerance on one item, and how it was made. */
export interface Traced {
  item: string;
  measurements: { number: number; inspection: string; characteristic: string; lower: number | null; upper: number | null; value: number | null; unit: string }[];
  runs: {
    run: string;
    title: string;
    machine: string;
    start: string;
    end: string;
    program: string;
    program_name: string;
    confidence: number;
    why: string;
    drawings: string[];
    tools: { tool: string; name: string; start: string; end: string; readings: Record<string, { unit: string; least: number; mean: number; most: number }> }[];
  }[];
  /** What no source says. */
  unmatched: string[];
}

export const boundsOf = ({ lower, upper }: Pick<Traced["measurements"][number], "lower" | "upper">): string => `${lower ?? "…"} – ${upper ?? "…"}`;

/** A thing in its place; `count` things of one sort that are not unfolded stand as one. */
export interface Placed {
  key: string;
  node: ThreadNode;
  count: number;
  /** Column: 0 is the start, to the left what it comes from, to the right where it leads. */
  column: number;
  /** Row, in units of one line. */
  row: number;
  /** The key of what it hangs on, and how that is read. */
  from: string;
  phrase: string;
  back: boolean;
}

interface Branch {
  key: string;
  node: ThreadNode;
  step: Step | null;
  below: Branch[];
}

/** More alike below one thing than this stand as one until they are unfolded. */
export const MOST_ALIKE = 5;

const branchesOf = ({ start, nodes, reached }: Followed): Branch => {
  const root: Branch = { key: start, node: nodes[start]!, step: null, below: [] };
  const known = new Map([[start, root]]);
  for (const one of [...reached].sort((a, b) => a.depth - b.depth)) {
    const step = one.path.at(-1);
    const node = nodes[one.node];
    if (!step || !node || known.has(one.node)) continue;
    const branch: Branch = { key: one.node, node, step, below: [] };
    known.set(one.node, branch);
    known.get(step.source)?.below.push(branch);
  }
  return root;
};

const sortOf = ({ node, step }: Branch): string => `${step?.phrase} ${node.what || node.kind}`;

/** Those that are many and alike, as one; what was unfolded stays apart. */
function folded(branches: readonly Branch[], parent: string, unfolded: ReadonlySet<string>): { branch: Branch; count: number; key: string }[] {
  const sorts = new Map<string, Branch[]>();
  for (const branch of branches) sorts.set(sortOf(branch), [...(sorts.get(sortOf(branch)) ?? []), branch]);
  return [...sorts].flatMap(([sort, alike]) => {
    const key = `${parent}|${sort}`;
    if (alike.length <= MOST_ALIKE || unfolded.has(key)) return alike.map((branch) => ({ branch, count: 1, key: branch.key }));
    return [{ branch: { ...alike[0]!, below: [] }, count: alike.length, key }];
  });
}

/** Where everything lies: leaves on rows of their own, what they hang on in their middle; both sides in the middle of each other. */
export function placed(found: Followed, unfolded: ReadonlySet<string>): { all: Placed[]; rows: number; left: number; right: number } {
  const root = branchesOf(found);
  const all: Placed[] = [];
  const sideOf = (back: boolean): { rows: number; columns: number } => {
    let next = 0;
    let columns = 0;
    const walk = (branches: readonly Branch[], parent: string, depth: number): number[] =>
      folded(branches, parent, unfolded).map(({ branch, count, key }) => {
        columns = Math.max(columns, depth);
        const below = walk(branch.below, branch.key, depth + 1);
        const row = below.length ? (below[0]! + below.at(-1)!) / 2 : next++;
        all.push({ key, node: branch.node, count, column: back ? -depth : depth, row, from: parent, phrase: branch.step?.phrase ?? "", back: branch.step?.back ?? false });
        return row;
      });
    walk(root.below.filter((branch) => branch.step!.back === back), root.key, 1);
    return { rows: next, columns };
  };
  const [left, right] = [sideOf(true), sideOf(false)];
  const rows = Math.max(left.rows, right.rows, 1);
  for (const one of all) one.row += (rows - (one.column < 0 ? left.rows : right.rows)) / 2;
  all.push({ key: root.key, node: root.node, count: 1, column: 0, row: (rows - 1) / 2, from: "", phrase: "", back: false });
  return { all, rows, left: left.columns, right: right.columns };
}

/** The same as an outline, for small screens: what it comes from, then where it leads, each below what it hangs on. */
export function outlineOf(found: Followed): { key: string; node: ThreadNode; depth: number; phrase: string; back: boolean }[] {
  const root = branchesOf(found);
  const walk = (branches: readonly Branch[], depth: number, back: boolean): ReturnType<typeof outlineOf> =>
    branches.flatMap((one) => [{ key: one.key, node: one.node, depth, phrase: one.step?.phrase ?? "", back }, ...walk(one.below, depth + 1, back)]);
  return [true, false].flatMap((back) => walk(root.below.filter((one) => one.step!.back === back), 0, back));
}

export const threadHref = (kind: string, id: string): string => `/thread/${encodeURIComponent(kind)}/${encodeURIComponent(id)}`;

/** Where the thread goes on from a thing. */
export function followHref(node: Pick<ThreadNode, "kind" | "id" | "sub" | "start" | "end">): string {
  const query = new URLSearchParams();
  if (node.sub) query.set("sub", node.sub);
  if (node.start) query.set("start", node.start);
  if (node.end) query.set("end", node.end);
  const text = query.toString().replaceAll("%3A", ":");
  return threadHref(node.kind, node.id) + (text ? `?${text}` : "");
}

/** Its own page, if it has one here. */
export function pageOf({ kind, id }: ThreadNode): string | null {
  const area = { item: "items", twin: "twins", part: "parts" }[kind];
  return area ? `/${area}/${encodeURIComponent(id)}` : null;
}
