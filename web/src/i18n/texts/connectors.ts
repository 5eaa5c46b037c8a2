/** Connectors and their health. */

import type { Texts } from "./languages";

export default {
  "connectors.title": { en: "Connectors", de: "Anbindungen" },
  "connectors.none": {
    en: "No connectors yet. Connect a machine here, or declare one in a plant file and apply it:",
    de: "Noch keine Anbindung. Binden Sie hier eine Maschine an, oder beschreiben Sie eine in der Werksdatei und wenden Sie sie an:",
  },
  "connectors.rate": { en: "Readings", de: "Messwerte" },
  "connectors.lag": { en: "Lag", de: "Verzug" },
  "connectors.errors": { en: "Errors", de: "Fehler" },
  "connectors.seen": { en: "Last seen", de: "Zuletzt gehört" },
  "connectors.never": { en: "never", de: "nie" },
  "connectors.ago": { en: "{span} ago", de: "vor {span}" },
  "connectors.bindings": { en: "{count} bindings", de: "{count} Zuordnungen" },
  "connectors.bindings.one": { en: "{count} binding", de: "{count} Zuordnung" },
  "connectors.disabled": { en: "Switched off", de: "Ausgeschaltet" },
  "connectors.feeds": { en: "Feeds", de: "Speist" },
} satisfies Texts;
