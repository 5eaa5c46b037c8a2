/** Editing the parts book as text: what the platform says of a text, and where in it. */

import { getText, putText } from "../api/http";

export interface Step {
  action: "create" | "change" | "remove";
  /** The part's number, with its maker where it has one. */
  id: string;
  fields: { field: string; before: unknown; after: unknown }[];
}

/** The difference between a text and the book. */
export interface Plan {
  empty: boolean;
  steps: Step[];
  /** Of the book that the text was compared with. */
  revision: number;
}

/** What is wrong in a text; line and column from 1, 0: nobody knows. */
export interface Fault {
  message: string;
  field: string;
  line: number;
  column: number;
}

const YAML = "application/yaml";

export const EXAMPLE = `gemel: 1
parts:
- part: MILL
  name: Milling machine
  end_item: true
  slots:
  - {slot: pump, name: Coolant pump, mandatory: true}
  rules:
  - {slot: pump, part: P-7, revisions: [B..]}
- part: P-7
  name: Coolant pump
  revisions:
  - {revision: A}
  - {revision: B, replaces: [A]}
  limits:
  - {kind: hours, limit: 8000}
`;

/** What is declared of a part number, or (empty) of all; empty where nothing is. */
export async function declared(part: string): Promise<string> {
  const text = await getText("/parts.yaml", { part });
  return /^parts: \[\]$/m.test(text) ? "" : text;
}

/** The whole book is made as the text says; of one part's text, others are left alone. */
const way = (part: string): { prune: boolean } => ({ prune: !part });

export const compare = (part: string, text: string): Promise<Plan> => putText<Plan>("/parts", text, YAML, { dry_run: true, ...way(part) });

/** Just the difference that was shown: refused with 412 once the book is another. */
export const apply = (part: string, text: string, plan: Plan): Promise<Plan> => putText<Plan>("/parts", text, YAML, way(part), plan.revision);

/** The faults that a refusal names, those of the first lines first. */
export function faultsOf(about: Readonly<Record<string, unknown>>): Fault[] {
  const told = Array.isArray(about["problems"]) ? (about["problems"] as Fault[]) : [];
  return [...told].sort((one, two) => one.line - two.line || one.column - two.column);
}

/** From where to where line `line` of a text goes, from `column` on; a line that is not there is the nearest one. */
export function stretch(text: string, line: number, column: number): [number, number] {
  const lines = text.split("\n");
  const place = Math.min(Math.max(line, 1), lines.length) - 1;
  const start = lines.slice(0, place).reduce((sum, one) => sum + one.length + 1, 0);
  const length = lines[place]?.length ?? 0;
  return [start + Math.min(Math.max(column, 1) - 1, length), start + length];
}

/** How many parts are added, changed, taken out. */
export const countsOf = (steps: readonly Step[]): [Step["action"], number][] =>
  (["create", "change", "remove"] as const).map((action): [Step["action"], number] => [action, steps.filter((step) => step.action === action).length]).filter(([, count]) => count > 0);

/** A value as a line of YAML would have it, as people read it. */
export function flow(value: unknown): string {
  if (Array.isArray(value)) return value.map((one) => (one !== null && typeof one === "object" ? flow(one) : String(one))).join(", ");
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value).map(([name, one]) => `${name}: ${Array.isArray(one) ? `[${flow(one)}]` : flow(one)}`);
    return `{${members.join(", ")}}`;
  }
  return String(value);
}

/** What is told of a new part: its members, of named ones the names. */
export const membersOf = ({ fields }: Step): { name: string; value: string }[] =>
  fields
    .filter(({ field }) => field !== "part")
    .map(({ field, after }) => ({ name: field, value: after !== null && typeof after === "object" && !Array.isArray(after) ? Object.keys(after).join(", ") : flow(after) }));
