/** The shapes of forms, and their calls. Moments over HTTP are RFC 3339 text. */

import { get, send } from "../api/http";
import type { Page } from "../api/model";
import { itemPath } from "../configuration/model";

export type FieldKind = "text" | "number" | "choice" | "yes_no" | "moment" | "serial" | "file";

export interface Field {
  name: string;
  ask: string;
  kind: FieldKind;
  help: string;
  required: boolean;
  unit: string;
  low: number | null;
  high: number | null;
  choices: string[];
  expect: string[];
  shown: string;
  observe: string;
}

export interface Form {
  id: string;
  title: string;
  about: string;
  fields: Field[];
}

/** A file as it is handed in, and as it is kept. */
export interface Handed {
  name: string;
  data: string;
}
export interface KeptFile {
  name: string;
  document: string;
  sha256: string;
  size: number;
  media_type: string;
}
export type Answer = string | number | boolean | Handed | KeptFile;
export type Answers = Record<string, Answer>;

export interface Amiss {
  field: string;
  text: string;
  nonconformance: number;
}

export interface Filled {
  id: string;
  form: string;
  version: number;
  title: string;
  item: string;
  serial: string;
  order: string;
  actor: string;
  at: string;
  recorded: string;
  answers: Answers;
  amiss: Amiss[];
  withheld: boolean;
}

export interface Offered {
  form: Form;
  version: number;
  /** The work order under which it is to be filled in; empty: at any time. */
  order: string;
  filled: Filled | null;
  may: boolean;
}

export interface Filling {
  form: string;
  version: number;
  item: string;
  order: string;
  at: string;
  key: string;
  answers: Answers;
}

export interface Fault {
  field: string;
  message: string;
}

export interface Taken {
  filled: Filled | null;
  problem: ({ status: number; code: string; detail: string; problems?: Fault[] } & Record<string, unknown>) | null;
}

export const readOffered = (item: string, signal?: AbortSignal): Promise<Offered[]> => get(`${itemPath(item)}/forms`, {}, signal);
export const readOfOrder = (order: string, signal?: AbortSignal): Promise<Offered[]> => get(`/work/orders/${encodeURIComponent(order)}/forms`, {}, signal);
export const readFilled = (item: string, signal?: AbortSignal): Promise<Filled[]> => get<Page<Filled>>("/filled-forms", { item, limit: 100 }, signal).then((page) => page.items);
export const readOne = (id: string, signal?: AbortSignal): Promise<Filled & { asked: Form }> => get(`/filled-forms/${encodeURIComponent(id)}`, {}, signal);
export const handIn = (filling: Filling): Promise<Taken[]> => send("POST", "/filled-forms", [filling]);

/** Of an item: what is filled in next, or read. */
export const formHref = (item: string, form: string, order = ""): string => `/items/${encodeURIComponent(item)}?view=forms&form=${encodeURIComponent(form)}${order ? `&order=${encodeURIComponent(order)}` : ""}`;
export const filledHref = ({ item, id }: { item: string; id: string }): string => `/items/${encodeURIComponent(item)}?view=forms&filled=${encodeURIComponent(id)}`;

export const isFile = (answer: Answer | undefined): answer is Handed | KeptFile => typeof answer === "object";

/** What is amiss with an answer, as the form says; empty: nothing. The platform says it again, and in words. */
export function isAmiss(field: Field, answer: Answer | undefined): boolean {
  if (answer === undefined) return false;
  if (typeof answer === "number") return (field.low !== null && answer < field.low) || (field.high !== null && answer > field.high);
  if (!field.expect.length) return false;
  return !field.expect.includes(typeof answer === "boolean" ? (answer ? "yes" : "no") : String(answer));
}

/** The limits of a number as people read them. */
export function limits(field: Field): string {
  const { low, high } = field;
  const unit = field.unit && field.unit !== "1" ? ` ${field.unit}` : "";
  if (low !== null && high !== null) return `${low} – ${high}${unit}`;
  if (low !== null) return `≥ ${low}${unit}`;
  return high !== null ? `≤ ${high}${unit}` : "";
}
