/** The overview, and the classes of states. */

import type { Texts } from "./languages";

export default {
  "fleet.title": { en: "Overview", de: "Übersicht" },
  "fleet.count": { en: "{count} machines", de: "{count} Maschinen" },
  "fleet.count.one": { en: "{count} machine", de: "{count} Maschine" },
  "fleet.empty.title": { en: "No twins yet", de: "Noch keine Zwillinge" },
  "fleet.empty.text": {
    en: "Connect a machine, describe your machines in a file and apply it, or start the demo shop:",
    de: "Binden Sie eine Maschine an, beschreiben Sie Ihre Maschinen in einer Datei und wenden Sie sie an, oder starten Sie die Beispielwerkstatt:",
  },
  "fleet.other": { en: "Elsewhere", de: "Andernorts" },
  "fleet.for": { en: "for {span}", de: "seit {span}" },
  "fleet.since": { en: "no data since {moment}", de: "keine Daten seit {moment}" },
  "fleet.never": { en: "no data yet", de: "noch keine Daten" },
  "fleet.stale": { en: "Stale", de: "Veraltet" },
  "fleet.nodata": { en: "No data", de: "Keine Daten" },
  "fleet.strip": { en: "Last 8 hours: {active} % active", de: "Letzte 8 Stunden: {active} % aktiv" },
  "fleet.strip.since": { en: "Since {moment}: {active} % active", de: "Seit {moment}: {active} % aktiv" },
  "fleet.strip.none": { en: "No history in the last 8 hours", de: "Kein Verlauf in den letzten 8 Stunden" },
  "fleet.states": { en: "Machines by state", de: "Maschinen nach Zustand" },
  "fleet.calm": { en: "No fault, no warning", de: "Keine Störung, keine Warnung" },
  "state.active": { en: "Working", de: "Arbeitet" },
  "state.ready": { en: "Ready", de: "Bereit" },
  "state.held": { en: "Stopped", de: "Steht" },
  "state.none": { en: "No data", de: "Keine Daten" },
} satisfies Texts;
