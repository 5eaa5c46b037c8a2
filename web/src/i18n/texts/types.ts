/** Twin types. */

import type { Texts } from "./languages";

export default {
  "types.title": { en: "Types", de: "Typen" },
  "types.none": {
    en: "No types yet. Declare one in a plant file, or import a device model:",
    de: "Noch keine Typen. Beschreiben Sie einen in der Werksdatei, oder importieren Sie ein Gerätemodell:",
  },
  "types.version": { en: "Version {version}", de: "Version {version}" },
  "types.properties": { en: "Properties", de: "Eigenschaften" },
  "types.commands": { en: "Commands", de: "Befehle" },
  "types.events": { en: "Events", de: "Ereignisse" },
  "types.slots": { en: "Slots", de: "Plätze" },
  "types.name": { en: "Name", de: "Name" },
  "types.kind": { en: "Kind", de: "Art" },
  "types.unit": { en: "Unit", de: "Einheit" },
  "types.range": { en: "Range", de: "Bereich" },
  "types.normal": { en: "Normal band", de: "Normalbereich" },
  "types.meaning": { en: "Meaning", de: "Bedeutung" },
  "types.freshness": { en: "Fresh within", de: "Frisch binnen" },
  "types.changes": { en: "reports changes, silent at most {span}", de: "meldet Änderungen, höchstens {span} still" },
  "types.samples": { en: "a sample every {span} or faster", de: "ein Messwert alle {span} oder öfter" },
  "types.writable": { en: "writable", de: "schreibbar" },
  "types.headline": { en: "headline", de: "Hauptwert" },
  "types.deprecated": { en: "deprecated: {why}", de: "veraltet: {why}" },
  "types.aliases": { en: "also {names}", de: "auch {names}" },
  "types.input": { en: "Input", de: "Eingabe" },
  "types.output": { en: "Output", de: "Ausgabe" },
  "types.severity": { en: "Severity", de: "Schwere" },
  "types.holds": { en: "Holds", de: "Nimmt auf" },
  "types.count": { en: "Count", de: "Anzahl" },
  "types.many": { en: "any number", de: "beliebig viele" },
  "types.twins": { en: "Twins of this type", de: "Zwillinge dieses Typs" },
  "types.counts": { en: "{count} properties", de: "{count} Eigenschaften" },
  "types.counts.one": { en: "{count} property", de: "{count} Eigenschaft" },
} satisfies Texts;
