/** Connectors and their health. */

import type { Texts } from "./languages";

export default {
  "connectors.title": { en: "Connectors", de: "Anbindungen" },
  "connectors.none": {
    en: "No connectors yet. Connect a machine here, or declare one in a plant file and apply it:",
    de: "Noch keine Anbindung. Binden Sie hier eine Maschine an, oder beschreiben Sie eine in der Werksdatei und wenden Sie sie an:",
  },
  "connectors.rate": { en: "Readings", de: "Messwerte" },
  "connectors.lag": { en: "Delay", de: "Verzug" },
  "connectors.errors": { en: "Errors", de: "Fehler" },
  "connectors.seen": { en: "Last seen", de: "Zuletzt gehört" },
  "connectors.never": { en: "never", de: "nie" },
  "connectors.ago": { en: "{span} ago", de: "vor {span}" },
  "connectors.bindings": { en: "{count} values", de: "{count} Werte" },
  "connectors.bindings.one": { en: "{count} value", de: "{count} Wert" },
  "connectors.disabled": { en: "Switched off", de: "Ausgeschaltet" },
  "connectors.feeds": { en: "Feeds", de: "Speist" },
  "connectors.others": { en: "and {count} more", de: "und {count} weitere" },
  "connectors.restart": { en: "Restart", de: "Neu starten" },
  "connectors.kind.folder": { en: "Files in a folder", de: "Dateien in einem Ordner" },
  "connectors.kind.http": { en: "HTTP", de: "HTTP" },
  "connectors.kind.mqtt": { en: "MQTT", de: "MQTT" },
  "connectors.kind.mqtt_endpoint": { en: "MQTT, without a broker", de: "MQTT, ohne Broker" },
  "connectors.kind.mtconnect": { en: "MTConnect", de: "MTConnect" },
  "connectors.kind.modbus": { en: "Modbus", de: "Modbus" },
  "connectors.kind.nats": { en: "NATS", de: "NATS" },
  "connectors.kind.opcua": { en: "OPC UA", de: "OPC UA" },
  "connectors.kind.sparkplug": { en: "Sparkplug B", de: "Sparkplug B" },
  "connectors.kind.sql": { en: "SQL", de: "SQL" },
  "connectors.kind.webhook": { en: "Webhook", de: "Webhook" },
} satisfies Texts;
