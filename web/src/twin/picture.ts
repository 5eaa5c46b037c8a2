/** The picture of a type as a tree that a template can draw. Only what is listed is taken over; nothing is ever parsed as HTML. Pure. */

import type { Part } from "../api/model";

export interface Shape {
  tag: string;
  attributes: Record<string, string>;
  /** The live value that is shown here, fills it, or makes it active: `property`, `slot.property`, and `=word`. */
  value: string;
  fill: string;
  active: string;
  text: string;
  children: Shape[];
}

const TAGS = new Set(["svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "title", "desc"]);
const ATTRIBUTES = new Set("viewBox class d x y width height rx ry r cx cy x1 y1 x2 y2 dx dy points transform text-anchor".split(" "));

export function shapesOf(picture: string): Shape | null {
  const document = new DOMParser().parseFromString(picture, "image/svg+xml");
  const root = document.documentElement;
  return root.localName === "svg" ? shapeOf(root) : null;
}

function shapeOf(element: Element): Shape {
  const attributes: Record<string, string> = {};
  for (const { name, value } of element.attributes) if (ATTRIBUTES.has(name)) attributes[name] = value;
  const children = [...element.children].filter((one) => TAGS.has(one.localName)).map(shapeOf);
  return {
    tag: element.localName,
    attributes,
    value: element.getAttribute("data-value") ?? "",
    fill: element.getAttribute("data-fill") ?? "",
    active: element.getAttribute("data-active") ?? "",
    text: children.length ? "" : (element.textContent ?? "").trim(),
    children,
  };
}

/** The twin and the property that a place names, of a tree of parts; null when a slot is empty, or holds several. */
export function placeOf(place: string, tree: Pick<Part, "id" | "types" | "parts">): { twin: string; types: string[]; property: string } | null {
  const path = place.split("=")[0]!.split(".");
  let part = tree;
  for (const slot of path.slice(0, -1)) {
    const filling = part.parts.filter((one) => one.slot === slot);
    if (filling.length !== 1) return null;
    part = filling[0]!;
  }
  return { twin: part.id, types: part.types, property: path.at(-1)! };
}

/** Whether a value makes its place active: true, not zero, or the word that is named. */
export function isActive(place: string, value: unknown): boolean {
  const at = place.indexOf("=");
  if (at >= 0) return String(value) === place.slice(at + 1);
  return value === true || (typeof value === "number" && value !== 0);
}

/** How far a place is filled, 0 to 1; null when that cannot be told. */
export function share(value: unknown, minimum: number | null, maximum: number | null): number | null {
  if (typeof value !== "number" || minimum === null || maximum === null || maximum <= minimum) return null;
  return Math.min(1, Math.max(0, (value - minimum) / (maximum - minimum)));
}
