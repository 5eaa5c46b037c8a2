/** Values of several machines, one below the other. */

import type { Texts } from "./languages";

export default {
  "trends.title": { en: "Trends", de: "Trends" },
  "trends.open": { en: "Compare with other machines", de: "Mit anderen Maschinen vergleichen" },
  "trends.none": {
    en: "Choose a machine and its values on the left; then another machine. All share one time range, equal values one scale.",
    de: "Wählen Sie links eine Maschine und ihre Werte, dann eine andere Maschine. Alle teilen einen Zeitraum, gleiche Werte eine Skala.",
  },
  "trends.machine": { en: "Machine", de: "Maschine" },
  "trends.compare": { en: "Compare", de: "Vergleichen" },
  "trends.compare.hint": {
    en: "Show the same value of the other machines, on the same scale",
    de: "Denselben Wert der anderen Maschinen zeigen, auf derselben Skala",
  },
  "trends.alone": { en: "No other machine has this value.", de: "Keine andere Maschine hat diesen Wert." },
  "trends.saved": { en: "Saved in this browser", de: "In diesem Browser gespeichert" },
  "trends.save": { en: "Save", de: "Speichern" },
  "trends.save.as": { en: "Save as", de: "Speichern als" },
  "trends.forget": { en: "Forget {name}", de: "{name} vergessen" },
} satisfies Texts;
