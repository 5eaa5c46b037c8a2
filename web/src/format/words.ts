/** Names of properties and kinds as people read them. */

const SHORT = new Set(["cnc", "nc", "plc", "id", "rpm", "url", "opc", "ip", "no"]);

/** `position_actual` → "Position actual"; `FEED_HOLD` → "Feed hold". */
export function humanise(name: string): string {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/[_.\s-]+/g, " ").trim().toLowerCase().split(" ");
  const text = words.map((word) => (SHORT.has(word) ? word.toUpperCase() : word)).join(" ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The title, or the name made readable. "Position" for position_actual: that it is the actual one goes without saying. */
export const titleOf = (property: { name: string; title: string }): string =>
  (property.title || humanise(property.name)).replace(/(?<=\S)[\s_]actual$/i, "");

/** A twin as people call it: `path_basic` → "Path basic"; short names and those that were written for people stay as they are. */
export const nameOf = ({ id, name }: { id: string; name: string }): string =>
  /^[a-z_]+$/.test(name) && name.length > 3 ? humanise(name) : name || id;

/** What it is, in a few words: maker and model where they are known. */
export const aboutOf = ({ attributes, description }: { attributes: Record<string, unknown>; description: string }): string =>
  [attributes.maker, attributes.model].filter(Boolean).join(" ") || description;
