/** An import of a file: looked at, then taken in; what it brings, its faults by line, and what a list says otherwise than the record. */

import { get, postText } from "../api/http";

export interface Fault {
  place: string;
  message: string;
  level: "error" | "left out" | "note";
}
export interface Looked {
  name: string;
  repeated: boolean;
  items: number;
  records: number;
  links: number;
  measurements: number;
  failed: number;
  readings: number;
  parts: number;
  same: number;
  faults: Fault[];
  untold: number;
}
export interface SlotBeside {
  slot: string;
  verdict: "new" | "other" | "elsewhere" | "revision" | "identity" | "unlisted";
  part: string;
  revision: string;
  serial: string;
  lot: string;
  recorded: string[];
  text: string;
  place: string;
}
export interface Beside {
  machine: string;
  item: string;
  file: string;
  same: number;
  slots: SlotBeside[];
  untold: number;
}
export interface Import {
  title: string;
  plan: string;
  book: string;
  files: Looked[];
  unmatched: string[];
  compared: Beside[];
  unseen: number;
  errors: number;
  done: boolean;
}
interface Job {
  id: string;
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  part: number;
  error: string;
  result: Import | null;
}
export interface Mapping {
  name: string;
  title: string;
}

const WAIT_S = 10;

export const readMappings = (signal?: AbortSignal): Promise<Mapping[]> => get("/thread/mappings", {}, signal);

/** Sends a file, and waits until it is looked at or taken in. */
export async function importFile(file: File, how: { mapping: string; receive: boolean; dry_run: boolean }, told: (part: number) => void): Promise<Import> {
  const name = file.name.toLowerCase().endsWith(".zip") ? "" : file.name;
  let job = await postText<Job>("/thread/imports", file, "application/octet-stream", { ...how, name });
  while (job.state === "waiting" || job.state === "running") {
    told(job.part);
    job = await get<Job>(`/jobs/${encodeURIComponent(job.id)}`, { wait_s: WAIT_S });
  }
  if (job.state !== "done" || !job.result) throw new Error(job.error || job.state);
  return job.result;
}

export const BRINGS = ["items", "same", "records", "links", "measurements", "failed", "readings", "parts"] as const;

/** What of a file is worth a word. */
export const bringsOf = (file: Looked): [(typeof BRINGS)[number], number][] => BRINGS.flatMap((one) => (file[one] ? [[one, file[one]] as [(typeof BRINGS)[number], number]] : []));

/** A line of a list, as people read it. */
export const lineOf = ({ part, revision, serial, lot }: SlotBeside): string => [part, revision, serial || lot].filter(Boolean).join(" ");

const ORDER: readonly Fault["level"][] = ["error", "left out", "note"];

export const gravestFirst = (faults: readonly Fault[]): Fault[] => [...faults].sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level) || a.place.localeCompare(b.place, undefined, { numeric: true }));
