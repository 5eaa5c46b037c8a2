/** What the words of a state mean to a screen: four classes with one neutral tone each. Colour is kept for the abnormal. */

export type StateClass = "active" | "ready" | "held" | "none";

const ACTIVE = new Set(["ACTIVE", "RUNNING", "RUN", "AUTOMATIC_ACTIVE", "EXECUTE", "EXECUTING", "ON", "WORKING", "PRODUCING", "TRUE"]);
const READY = new Set(["READY", "IDLE", "STANDBY", "WAIT", "WAITING", "PROGRAM_COMPLETED", "OPTIONAL_STOP", "AVAILABLE", "FINISHED"]);
const NONE = new Set(["UNAVAILABLE", "UNKNOWN", ""]);

export function stateClass(value: unknown): StateClass {
  if (value === null || value === undefined) return "none";
  const word = String(value).toUpperCase().replace(/[\s-]+/g, "_");
  if (NONE.has(word)) return "none";
  if (ACTIVE.has(word)) return "active";
  return READY.has(word) ? "ready" : "held";
}
