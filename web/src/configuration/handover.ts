/** What of one machine is handed over: its gaps, software, documents and materials. */

import { get } from "../api/http";
import type { Page } from "../api/model";
import { itemPath, shown, type AsOf } from "./model";

export interface Threat {
  gravity: "stops" | "threatens" | "unknown";
  kind: string;
  slot: string;
  item: string;
  text: string;
}
export interface Threatened {
  item: string;
  part: string;
  serial: string;
  threats: Threat[];
}
export interface Module {
  path: string[];
  item: string;
  part: string;
  version: string;
  since: string | null;
}
export interface Paper {
  document: string;
  version: string;
  language: string;
  name: string;
  content: { sha256: string; size: number; media_type: string };
}
export interface Passport {
  materials: { material: string; mass: number; recycled: number; hazard: string; recovery: string; items: string[] }[];
  mass: number;
  declared: number;
  undeclared: string[];
}
export interface Handed {
  threats: Threat[] | null;
  software: Module[];
  documents: Paper[];
  materials: Passport | null;
}

export const GRAVE: Readonly<Record<Threat["gravity"], "fault" | "warning" | "stale">> = { stops: "fault", threatens: "warning", unknown: "stale" };

/** What a view of somebody else's machine does not tell is left out. */
export async function readHanded(id: string, asked: AsOf, signal?: AbortSignal): Promise<Handed> {
  const at = itemPath(id);
  const [threats, software, documents, materials] = await Promise.all([
    shown(get<Threat[] | null>(`${at}/threats`, { ...asked }, signal), null),
    shown(get<Module[]>(`${at}/software`, { ...asked }, signal), []),
    shown(get<Paper[]>(`${at}/documents`, { ...asked }, signal), []),
    shown(get<Passport | null>(`${at}/materials`, { ...asked }, signal), null),
  ]);
  return { threats, software, documents, materials };
}

export const readThreats = (cursor: string | null, signal?: AbortSignal): Promise<Page<Threatened>> => get("/threats", { limit: 50, cursor }, signal);

/** How many gaps of each gravity, in their order. */
export function countsOf(threats: readonly Threat[]): [Threat["gravity"], number][] {
  return (["stops", "threatens", "unknown"] as const).flatMap((gravity) => {
    const many = threats.filter((one) => one.gravity === gravity).length;
    return many ? [[gravity, many] as [Threat["gravity"], number]] : [];
  });
}
