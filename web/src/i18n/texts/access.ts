/** Other organisations, what is granted to them, why, and what was asked for. */

import type { Texts } from "./languages";

export default {
  "access.title": { en: "Access", de: "Zugriff" },
  "access.grants": { en: "Grants", de: "Freigaben" },
  "access.none": {
    en: "Nothing is granted. gemel grants add party:<id> --twin <id> --days 7",
    de: "Nichts ist freigegeben. gemel grants add party:<id> --twin <id> --days 7",
  },
  "access.to": { en: "To", de: "Für" },
  "access.what": { en: "May", de: "Darf" },
  "access.of": { en: "Of", de: "Wovon" },
  "access.until": { en: "Until", de: "Bis" },
  "access.open": { en: "until revoked", de: "bis zum Widerruf" },
  "access.revoke": { en: "Revoke", de: "Widerrufen" },
  "access.why": { en: "Why may somebody do something?", de: "Warum darf jemand etwas?" },
  "access.who": { en: "Who", de: "Wer" },
  "access.action": { en: "Action", de: "Aktion" },
  "access.twin": { en: "Twin", de: "Zwilling" },
  "access.property": { en: "Property", de: "Eigenschaft" },
  "access.ask": { en: "Ask", de: "Fragen" },
  "access.yes": { en: "yes", de: "ja" },
  "access.no": { en: "no", de: "nein" },
  "access.needed": { en: "Would do:", de: "Würde genügen:" },
  "access.audit": { en: "Audit log", de: "Prüfprotokoll" },
  "access.party": { en: "Party", de: "Partei" },
  "access.resource": { en: "On", de: "Auf" },
  "access.filter": { en: "Filter", de: "Filtern" },
  "access.policy": { en: "By", de: "Nach" },
  "sign.code": { en: "Code of the second factor", de: "Code des zweiten Faktors" },
  "sign.other": { en: "Sign in by {name}", de: "Anmelden über {name}" },
  "welcome.title": { en: "Welcome, {name}", de: "Willkommen, {name}" },
  "welcome.reset": { en: "A new password for {name}", de: "Ein neues Passwort für {name}" },
  "welcome.go": { en: "Set password", de: "Passwort setzen" },
} satisfies Texts;
