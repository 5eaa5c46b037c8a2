/** What was not accepted. */

import type { Texts } from "./languages";

export default {
  "quarantine.title": { en: "Quarantine", de: "Quarantäne" },
  "quarantine.none": {
    en: "Nothing is in quarantine: every message was accepted.",
    de: "Nichts in Quarantäne: Alle Nachrichten wurden angenommen.",
  },
  "quarantine.text": {
    en: "What came in and was not accepted, and why. Mend the cause (a type, a unit, a clock), then hand it in again; nothing is lost until you discard it.",
    de: "Was hereinkam und nicht angenommen wurde, und warum. Beheben Sie die Ursache (einen Typ, eine Einheit, eine Uhr) und spielen Sie es neu ein; nichts geht verloren, bis Sie es verwerfen.",
  },
  "quarantine.when": { en: "Received", de: "Empfangen" },
  "quarantine.source": { en: "Source", de: "Quelle" },
  "quarantine.reason": { en: "Reason", de: "Grund" },
  "quarantine.content": { en: "Content", de: "Inhalt" },
  "quarantine.count": { en: "{count} readings", de: "{count} Messwerte" },
  "quarantine.replay": { en: "Hand in again", de: "Neu einspielen" },
  "quarantine.replay.all": { en: "Hand all in again", de: "Alles neu einspielen" },
  "quarantine.replayed": {
    en: "Accepted: {accepted}. Refused again: {quarantined}.",
    de: "Angenommen: {accepted}. Wieder abgelehnt: {quarantined}.",
  },
  "quarantine.discard": { en: "Discard", de: "Verwerfen" },
  "quarantine.discard.all": { en: "Discard all", de: "Alles verwerfen" },
  "quarantine.sure": { en: "Their content cannot be brought back.", de: "Ihr Inhalt lässt sich nicht zurückholen." },
  "quarantine.discarded": { en: "{count} discarded", de: "{count} verworfen" },
  "quarantine.code.clock": { en: "Wrong clock", de: "Falsche Uhr" },
  "quarantine.code.enumeration": { en: "Unknown state", de: "Unbekannter Zustand" },
  "quarantine.code.kind": { en: "Wrong kind of value", de: "Falsche Art von Wert" },
  "quarantine.code.not-finite": { en: "Not a number", de: "Keine Zahl" },
  "quarantine.code.not-granted": { en: "Not allowed to tell this", de: "Darf das nicht melden" },
  "quarantine.code.range": { en: "Out of range", de: "Außerhalb des Bereichs" },
  "quarantine.code.unit": { en: "Wrong unit", de: "Falsche Einheit" },
} satisfies Texts;
