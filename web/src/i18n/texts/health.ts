/** Health of the platform, and room on the disk. */

import type { Texts } from "./languages";

export default {
  "health.title": { en: "Health of the platform", de: "Zustand der Plattform" },
  "health.well": { en: "All is well", de: "Alles in Ordnung" },
  "health.problems": { en: "{count} parts need attention", de: "{count} Teile brauchen Aufmerksamkeit" },
  "health.problems.one": { en: "{count} part needs attention", de: "{count} Teil braucht Aufmerksamkeit" },
  "health.ok": { en: "OK", de: "In Ordnung" },
  "health.warn": { en: "Look at it soon", de: "Bald ansehen" },
  "health.bad": { en: "Does not work", de: "Geht nicht" },
  "health.since": { en: "for {span}", de: "seit {span}" },
  "health.room": { en: "Room on the disk", de: "Platz auf der Platte" },
  "health.days": { en: "Days left", de: "Tage übrig" },
  "health.left": { en: "Free for this plant", de: "Frei für dieses Werk" },
  "health.used": { en: "Used", de: "Belegt" },
  "health.range": {
    en: "{least} to {most}, by the fastest and slowest growth seen",
    de: "{least} bis {most}, nach dem schnellsten und langsamsten Wachstum",
  },
  "health.steady": { en: "It does not grow", de: "Er wächst nicht" },
  "health.unknown": { en: "Told after ten minutes", de: "Bekannt nach zehn Minuten" },
  "health.types": { en: "History by type", de: "Historie je Typ" },
} satisfies Texts;
