/** Charts, their range, and taking what they show away. */

import type { Texts } from "./languages";

export default {
  "chart.none": {
    en: "Choose values in the list to see their history here.",
    de: "Wählen Sie Werte in der Liste, um hier ihren Verlauf zu sehen.",
  },
  "chart.empty": { en: "No data in this range", de: "Keine Daten in diesem Zeitraum" },
  "chart.remove": { en: "Take {name} off the chart", de: "{name} aus dem Diagramm nehmen" },
  "chart.label": {
    en: "Charts. Arrow keys move, plus and minus zoom, End goes live.",
    de: "Diagramme. Pfeiltasten verschieben, Plus und Minus zoomen, Ende geht live.",
  },
  "chart.hint": {
    en: "Drag to move, Shift + drag to select, Ctrl + wheel to zoom",
    de: "Ziehen verschiebt, Umschalt + Ziehen wählt aus, Strg + Rad zoomt",
  },
  "chart.live": { en: "Live", de: "Live" },
  "chart.golive": { en: "Go live", de: "Zu live" },
  "chart.zoomin": { en: "Zoom in", de: "Hineinzoomen" },
  "chart.zoomout": { en: "Zoom out", de: "Herauszoomen" },
  "chart.back": { en: "Earlier", de: "Früher" },
  "chart.forward": { en: "Later", de: "Später" },
  "chart.range": { en: "Range", de: "Zeitraum" },
  "chart.from": { en: "From", de: "Von" },
  "chart.to": { en: "To", de: "Bis" },
  "chart.apply": { en: "Apply", de: "Anwenden" },
  "chart.absolute": { en: "From … to …", de: "Von … bis …" },
  "chart.minmax": { en: "{min} to {max}", de: "{min} bis {max}" },
  "chart.zone": { en: "Times in {zone}", de: "Zeiten in {zone}" },
  "chart.link": { en: "Copy link", de: "Link kopieren" },
  "chart.events": { en: "Events", de: "Ereignisse" },
  "export.title": { en: "Export", de: "Export" },
  "export.what": { en: "{count} values, as shown", de: "{count} Werte, wie gezeigt" },
  "range.15m": { en: "15 min", de: "15 min" },
  "range.1h": { en: "1 h", de: "1 h" },
  "range.8h": { en: "8 h", de: "8 h" },
  "range.24h": { en: "24 h", de: "24 h" },
  "range.7d": { en: "7 days", de: "7 Tage" },
  "range.30d": { en: "30 days", de: "30 Tage" },
  "range.1y": { en: "1 year", de: "1 Jahr" },
  "range.all": { en: "All", de: "Alles" },
} satisfies Texts;
