/** Signing in and setting up. */

import type { Texts } from "./languages";

export default {
  "sign.title": { en: "Sign in", de: "Anmelden" },
  "sign.name": { en: "Name", de: "Name" },
  "sign.password": { en: "Password", de: "Passwort" },
  "sign.go": { en: "Sign in", de: "Anmelden" },
  "sign.out": { en: "Sign out", de: "Abmelden" },
  "sign.wrong": { en: "Name or password is wrong.", de: "Name oder Passwort ist falsch." },
  "setup.title": { en: "Set up Gemel", de: "Gemel einrichten" },
  "setup.text": {
    en: "Nobody can sign in yet. Make the first administrator, who can then add other people.",
    de: "Noch kann sich niemand anmelden. Legen Sie den ersten Administrator an; er kann dann weitere Personen aufnehmen.",
  },
  "setup.least": { en: "At least {count} characters", de: "Mindestens {count} Zeichen" },
  "setup.again": { en: "Password again", de: "Passwort noch einmal" },
  "setup.differ": { en: "The two passwords are not the same.", de: "Die beiden Passwörter sind nicht gleich." },
  "setup.go": { en: "Make this administrator and sign in", de: "Anlegen und anmelden" },
  "setup.nosecret": {
    en: "This address lacks its secret. Open the whole address that the server printed; started again without an administrator, it prints a new one:",
    de: "Dieser Adresse fehlt das Geheimnis. Öffnen Sie die ganze Adresse, die der Server ausgegeben hat; ohne Administrator neu gestartet, gibt er eine neue aus:",
  },
} satisfies Texts;
