/** What all pages of access share; links for who was invited. */

import type { Texts } from "./languages";

export default {
  "access.title": { en: "Access", de: "Zugriff" },
  "access.done": { en: "Done", de: "Fertig" },
  "access.cancel": { en: "Cancel", de: "Abbrechen" },
  "access.undo": { en: "Undo", de: "Rückgängig" },
  "access.actions": { en: "Actions", de: "Aktionen" },
  "access.nothing": {
    en: "You are signed in, and nothing is shared with you yet. Ask whoever invited you.",
    de: "Sie sind angemeldet, und noch ist nichts für Sie freigegeben. Fragen Sie, wer Sie eingeladen hat.",
  },
  "sign.code": { en: "Code of the second factor", de: "Code des zweiten Faktors" },
  "sign.other": { en: "Sign in by {name}", de: "Anmelden über {name}" },
  "welcome.title": { en: "Welcome, {name}", de: "Willkommen, {name}" },
  "welcome.reset": { en: "A new password for {name}", de: "Ein neues Passwort für {name}" },
  "welcome.go": { en: "Set password", de: "Passwort setzen" },
} satisfies Texts;
