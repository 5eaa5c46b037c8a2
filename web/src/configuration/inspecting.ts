/** A receiving inspection: what a person saw in each slot, as operations. Pure. */

import type { Operation, Saw, SlotState } from "./model";
import type { Row } from "./rows";

/** skipped: nobody looked; as: what the record says; other: another item; unknown: something, but not what. */
export type Look = "skipped" | "as" | "other" | "unknown" | "nothing";
export const LOOKS: readonly Look[] = ["skipped", "as", "other", "unknown", "nothing"];

export interface Line {
  key: string;
  parent: string;
  slot: string;
  depth: number;
  /** What the record says: the item's id, name and part; empty where it says nothing. */
  item: string;
  name: string;
  part: string;
  holding: SlotState["holding"];
  look: Look;
  serial: string;
  revision: string;
  seenPart: string;
}

/** A line for each slot that holds, or should hold, something. */
export const linesOf = (rows: readonly Row[]): Line[] =>
  rows
    .filter((row) => row.depth > 0 && row.parent && !row.node?.planned && !row.runs)
    .map((row) => ({
      key: row.key,
      parent: row.parent!.id,
      slot: row.slot,
      depth: row.depth,
      item: row.node?.item.id ?? "",
      name: row.node ? row.node.item.serial || row.node.item.lot || row.node.item.id : "",
      part: row.node?.item.part ?? "",
      holding: row.state?.holding ?? "held",
      look: "skipped",
      serial: "",
      revision: "",
      seenPart: row.node?.item.part ?? "",
    }));

/** Which looks a slot allows: what the record does not know cannot be as in the record. */
export const looksOf = (line: Line): Look[] => LOOKS.filter((look) => look !== "as" || line.item);

export const isDone = (line: Line): boolean => line.look !== "skipped" && (line.look !== "other" || line.serial.trim() !== "" || line.seenPart.trim() !== "");

export function seenOf(line: Line, at: string): Operation & { do: "observe" } {
  const saw: Saw = line.look === "nothing" ? "nothing" : line.look === "unknown" ? "unknown" : "item";
  const said = { do: "observe", parent: line.parent, slot: line.slot, at, saw } as const;
  if (line.look === "as") return { ...said, item: line.item };
  if (line.look !== "other") return said;
  const read = { part: line.seenPart.trim(), serial: line.serial.trim(), revision: line.revision.trim() };
  return { ...said, ...Object.fromEntries(Object.entries(read).filter(([, value]) => value)) };
}

export const observationsOf = (lines: readonly Line[], at: string): (Operation & { do: "observe" })[] => lines.filter(isDone).map((line) => seenOf(line, at));
