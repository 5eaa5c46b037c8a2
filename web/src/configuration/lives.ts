/** The readings of an item over its life, piece by piece, as one series. Pure. */

import type { Series } from "../api/model";

export interface Piece {
  span: { start: string; end: string | null };
  /** The machine or store that it was in; empty: none that is told. */
  root: string;
  path: string[];
  /** Of which the readings are its own; empty: nobody tells of it alone. */
  twin: string;
  /** The twin of the nearest thing around it. */
  machine: string;
}

export interface Lived {
  stretches: { piece: Piece; series: Series | null; missing: string }[];
}

/** One after the other; where nothing is told of a piece, and between pieces, there is a gap. */
export function joined({ stretches }: Lived, start: number, end: number): Series {
  const told = stretches.flatMap(({ series }) => series ?? []);
  const first = told[0];
  const columns: Record<string, unknown[]> = {};
  const gaps: [number, number][] = [];
  let until = start * 1000;
  for (const { piece, series } of stretches) {
    const [from, to] = [Date.parse(piece.span.start) * 1000, piece.span.end === null ? end * 1000 : Date.parse(piece.span.end) * 1000];
    if (!series) continue;
    if (from > until) gaps.push([until, from]);
    for (const [name, column] of Object.entries(series.columns)) (columns[name] ??= []).push(...(column as unknown[]));
    gaps.push(...series.gaps);
    until = Math.max(until, to);
  }
  if (until < end * 1000) gaps.push([until, end * 1000]);
  return {
    start: first?.start ?? new Date(start).toISOString(),
    before: first?.before ?? null,
    unit: first?.unit ?? "",
    method: first?.method ?? "",
    resolution_s: Math.max(0, ...told.map((one) => one.resolution_s ?? 0)),
    columns: columns as Series["columns"],
    gaps,
  };
}
