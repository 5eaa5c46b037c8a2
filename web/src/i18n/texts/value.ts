/** Values and conditions, wherever they are shown. */

import type { Texts } from "./languages";

export default {
  "value.stale": { en: "stale since {moment}", de: "veraltet seit {moment}" },
  "value.stale.short": { en: "stale", de: "veraltet" },
  "value.never": { en: "no value yet", de: "noch kein Wert" },
  "value.unavailable": { en: "not available", de: "nicht verfügbar" },
  "value.quality.uncertain": { en: "uncertain", de: "unsicher" },
  "value.quality.bad": { en: "bad quality", de: "schlechte Qualität" },
  "value.band": { en: "normal {low} to {high}", de: "normal {low} bis {high}" },
  "value.outside": { en: "outside the normal band", de: "außerhalb des Normalbereichs" },
  "value.true": { en: "Yes", de: "Ja" },
  "value.false": { en: "No", de: "Nein" },
  "value.chart": { en: "Show {name} in the chart", de: "{name} im Diagramm zeigen" },
  "value.unchart": { en: "Take {name} off the chart", de: "{name} aus dem Diagramm nehmen" },
  "condition.fault": { en: "Fault", de: "Störung" },
  "condition.warning": { en: "Warning", de: "Warnung" },
  "condition.normal": { en: "Normal", de: "Normal" },
  "condition.faults": { en: "{count} faults", de: "{count} Störungen" },
  "condition.faults.one": { en: "{count} fault", de: "{count} Störung" },
  "condition.warnings": { en: "{count} warnings", de: "{count} Warnungen" },
  "condition.warnings.one": { en: "{count} warning", de: "{count} Warnung" },
  "condition.since": { en: "since {moment}", de: "seit {moment}" },
  "condition.cleared": { en: "Cleared: {what}", de: "Vorbei: {what}" },
  "condition.lost": { en: "No longer known: {what}", de: "Nicht mehr bekannt: {what}" },
} satisfies Texts;
