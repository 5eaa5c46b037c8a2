/** One twin, and the list of all. */

import type { Texts } from "./languages";

export default {
  "twin.values": { en: "Values", de: "Werte" },
  "twin.parts": { en: "Composition", de: "Aufbau" },
  "twin.history": { en: "History", de: "Verlauf" },
  "twin.events": { en: "Events", de: "Ereignisse" },
  "twin.about": { en: "About", de: "Über" },
  "twin.serial": { en: "Serial number", de: "Seriennummer" },
  "twin.type": { en: "Type", de: "Typ" },
  "twin.stage": { en: "Stage", de: "Phase" },
  "twin.partof": { en: "Part of", de: "Teil von" },
  "twin.aliases": { en: "Also called", de: "Auch genannt" },
  "twin.novalues": {
    en: "This type has no properties. Add some to type {type} and apply it again.",
    de: "Dieser Typ hat keine Eigenschaften. Ergänzen Sie den Typ {type} und wenden Sie ihn wieder an.",
  },
  "twin.nodata": {
    en: "No value has arrived yet. Check the connector that feeds it.",
    de: "Noch kein Wert angekommen. Prüfen Sie die Anbindung.",
  },
  "twin.filter": { en: "Filter values", de: "Werte filtern" },
  "twin.changing": { en: "Only with data", de: "Nur mit Daten" },
  "stage.planned": { en: "Planned", de: "Geplant" },
  "stage.built": { en: "Built", de: "Gebaut" },
  "stage.commissioned": { en: "Commissioned", de: "In Betrieb genommen" },
  "stage.in_service": { en: "In service", de: "Im Einsatz" },
  "stage.down": { en: "Down", de: "Außer Betrieb" },
  "stage.retired": { en: "Retired", de: "Ausgemustert" },
  "stage.recycled": { en: "Recycled", de: "Verwertet" },
  "twins.title": { en: "Twins", de: "Zwillinge" },
  "twins.name": { en: "Name", de: "Name" },
  "twins.id": { en: "Id", de: "Id" },
  "twins.none": { en: "No twin matches.", de: "Kein Zwilling passt." },
  "twins.anytype": { en: "All types", de: "Alle Typen" },
  "twins.anystage": { en: "All stages", de: "Alle Phasen" },
  "twins.what": { en: "What", de: "Was" },
  "twins.what.machines": { en: "Machines and places", de: "Maschinen und Orte" },
  "twins.what.all": { en: "With their parts", de: "Mit ihren Teilen" },
  "twins.what.own": { en: "Gemel's own", de: "Gemels eigene" },
} satisfies Texts;
