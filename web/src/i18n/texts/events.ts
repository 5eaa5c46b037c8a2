/** What happened. */

import type { Texts } from "./languages";

export default {
  "events.title": { en: "Events", de: "Ereignisse" },
  "events.none": { en: "Nothing happened in this range.", de: "In diesem Zeitraum ist nichts geschehen." },
  "events.time": { en: "Time", de: "Zeit" },
  "events.entered": { en: "{value}, entered by hand", de: "{value}, von Hand eingetragen" },
  "events.what": { en: "What", de: "Was" },
  "events.where": { en: "Twin", de: "Zwilling" },
  "events.details": { en: "Details", de: "Einzelheiten" },
  "events.filter": { en: "Filter by twin", de: "Nach Zwilling filtern" },
  "events.kind": { en: "Kind", de: "Art" },
  "events.stale": { en: "Values became stale", de: "Werte sind veraltet" },
  "events.fresh": { en: "Values are fresh again", de: "Werte sind wieder aktuell" },
  "events.lost": { en: "Connection lost", de: "Verbindung verloren" },
  "events.found": { en: "Connection is back", de: "Verbindung ist wieder da" },
  "events.parts": { en: "with {count} parts", de: "mit {count} Teilen" },
  "events.parts.one": { en: "with {count} part", de: "mit {count} Teil" },
  "events.area.machines": { en: "Machines", de: "Maschinen" },
  "events.area.plant": { en: "Changes of the plant", de: "Änderungen am Werk" },
  "events.area.all": { en: "Everything", de: "Alles" },
} satisfies Texts;
